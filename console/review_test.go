package console

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/review"
)

// forReview stores a key for each thing that may be found, made 200 days ago.
func forReview(s *site) map[string]apikey.ID {
	s.t.Helper()
	s.clock.Store(-200 * 24 * 3600)
	later := ending(start.Add(300 * day))
	scopes := holding("posts:read", "posts:write")
	low := func(k *apikey.Key) { k.Limits = apikey.Limits{PerMinute: 10, PerDay: 100, Burst: 10} }
	ids := map[string]apikey.ID{
		"never_used": s.has(1, named("Old idea"), later), "idle": s.has(2, named("Old bot"), later), "expiring": s.has(3, named("Report"), ending(start.Add(9*day)), low),
		"no_expiry": s.has(4, named("Dashboard"), low), "unused_scope": s.has(5, named("Zapier"), later, scopes, low), "one_network": s.has(6, named("Warehouse"), later, low),
		"high_limits": s.has(7, named("Cron"), later), "nothing": s.has(8, named("Fine"), later, low),
	}
	for code, id := range ids {
		s.clock.Store(-100 * 24 * 3600)
		if code == "never_used" {
			continue
		}
		s.used(id, 5, 0, 0)
		if s.clock.Store(-40 * 24 * 3600); code == "idle" {
			continue
		}
		for range 2 {
			s.charged(id, 5)
			s.clock.Store(0)
		}
	}
	s.clock.Store(0)
	today := apikey.DayOf(start)
	s.seen = map[apikey.ID]apikey.Seen{
		ids["unused_scope"]: {Scopes: []apikey.ScopeUse{{Scope: "posts:read", Since: today - 120, Last: today}, {Scope: "posts:write", Since: today - 120}}},
		ids["never_used"]:   {NetworkSince: today - 200},
		ids["one_network"]:  {Network: netip.MustParsePrefix("203.0.113.0/24"), NetworkSince: today - 40},
	}
	return ids
}

// charged is used, with what was charged for it.
func (s *site) charged(id apikey.ID, units uint64) {
	s.t.Helper()
	now := s.now()
	err := s.store.SaveUsage([]apikey.Usage{{ID: id, Day: apikey.DayOf(now), Charged: units, Allowed: units, LastUsed: now.Truncate(time.Minute).Unix()}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
}

// What is found about a key is on the page of the review and on its own, with a
// way to act; and once that is done, it is gone.
func TestReview(t *testing.T) {
	says := map[string][]string{
		"never_used":   {"Never used", "Never used in the 200 days since it was made.", "Disable it"},
		"idle":         {"Not used for 90 days", "Last used 100 days ago, on 15 Aug 2026.", "Disable it"},
		"expiring":     {"Ends soon", "Expires in 9 days, on 2 Dec 2026.", "Give it a later end"},
		"no_expiry":    {"Never expires", "It works until somebody ends it, also when nobody thinks of it any more.", "Give it an end"},
		"unused_scope": {"May do more than it does", "Create and change posts and drafts: posts:write was not used in the 120 days that it was watched.", "Take away what is not used"},
		"one_network":  {"Works from anywhere", "used from 203.0.113.0/24 alone in the 40 days that this was watched.", "Allow only that network"},
		"high_limits":  {"May be used far more than it is", "May use 10,000 a day, and used 5 on the busiest of 41 days.", "Lower the limit"},
	}
	s := newSite(t)
	ids := forReview(s)
	all := s.get("/review").want(http.StatusOK).lacks("Fine")
	s.get("/keys/" + ids["nothing"].String()).lacks("It could do with less")
	for code, texts := range says {
		t.Run(code, func(t *testing.T) {
			path := "/keys/" + ids[code].String()
			all.want(http.StatusOK, texts...)
			one := s.get(path).want(http.StatusOK)
			if code != "expiring" { // which the page says in its own words
				one.want(http.StatusOK, append(texts, "It could do with less")...)
			}
			deed := "/edit"
			var form url.Values
			switch code {
			case "never_used", "idle":
				deed = "/disable"
				form = s.get(path + deed).form(path + deed)
			default:
				link := base + path + "/edit?fix=" + code + "#" + reviewFields[review.Code(code)]
				for name, a := range map[string]answer{"review": all, "key": one} {
					if !slices.ContainsFunc(a.elements("a"), func(n *html.Node) bool { return attr(n, "href") == link }) {
						t.Errorf("the page %s does not link to %s", name, link)
					}
				}
				asked := s.get(path+"/edit?fix="+code).want(http.StatusOK, "Nothing is changed until you save.")
				field := reviewFields[review.Code(code)]
				if opened := slices.ContainsFunc(asked.elements("details"), func(n *html.Node) bool {
					_, open := attrOK(n, "open")
					return open && slices.ContainsFunc(slices.Collect(n.Descendants()), func(n *html.Node) bool { return attr(n, "id") == field })
				}); opened != (code == "one_network" || code == "high_limits") {
					t.Errorf("%s is in a part that is unfolded: %t", field, opened)
				}
				if !slices.ContainsFunc(asked.elements(""), func(n *html.Node) bool { return attr(n, "id") == field }) {
					t.Errorf("the form has no %s", field)
				}
				form = asked.form(path + deed)
			}
			if got := s.post(path+deed, form); got.status != http.StatusSeeOther {
				t.Fatalf("%d %s", got.status, got.text())
			}
			after := s.get(path).lacks(texts[2])
			if code != "never_used" && code != "idle" {
				after.lacks("It could do with less")
				s.get("/review").lacks(texts[1])
			}
		})
	}
	k := s.key(ids["unused_scope"].String())
	if !slices.Equal(k.Scopes, []string{"posts:read"}) {
		t.Errorf("it has %q", k.Scopes)
	}
	if k = s.key(ids["one_network"].String()); !slices.Equal(k.AllowedIPs, []string{"203.0.113.0/24"}) {
		t.Errorf("it may be used from %q", k.AllowedIPs)
	}
	if k = s.key(ids["high_limits"].String()); k.Limits.PerDay != 100 {
		t.Errorf("it may use %d a day", k.Limits.PerDay)
	}
	if k = s.key(ids["no_expiry"].String()); !k.ExpiresAt.Equal(start.Add(365 * day)) {
		t.Errorf("it ends on %s", k.ExpiresAt)
	}
}

// The page of a key says once that it ends soon, in the words for what is the case.
func TestKeyThatEndsSoonSaysItOnce(t *testing.T) {
	s := newSite(t)
	s.get("/keys/"+s.has(1, ending(start.Add(9*day))).String()).want(http.StatusOK, "This key stops working in 9 days", "Give it a later end").lacks("Ends soon")
	s.get("/keys/"+s.has(2, ending(start.Add(9*day)), disabled).String()).want(http.StatusOK, "Ends soon", "Give it a later end").lacks("stops working")
	if _, err := s.store.Rotate(s.has(3, ending(start.Add(9*day))), keystore.Actor{At: start}, func(old, next *apikey.Key) error {
		_, id, hash := apikey.Generate("patra")
		next.SetToken("patra", id, hash)
		return old.Rotate(next, start, day)
	}); err != nil {
		t.Fatal(err)
	}
	s.get("/keys/Key000000003").want(http.StatusOK, "Ends soon", "takes its place.").lacks("Give it a later end")
}

// A later end is offered only where one is accepted, and what is offered is later.
func TestLaterEnds(t *testing.T) {
	for name, c := range map[string]struct {
		bounds adminapi.ExpiryBounds
		days   string // that are offered; "": no later end is accepted
	}{
		"no bounds":                     {adminapi.ExpiryBounds{}, "365"},
		"a default that is sooner":      {adminapi.ExpiryBounds{Default: 7}, "365"},
		"a default and a maximum":       {adminapi.ExpiryBounds{Default: 7, Max: 60}, "60"},
		"a maximum that is sooner":      {adminapi.ExpiryBounds{Max: 7}, ""},
		"a maximum that is as far away": {adminapi.ExpiryBounds{Max: 9}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.authority.Bounds.Expiry = c.bounds
			soon, off := "/keys/"+s.has(1, ending(start.Add(9*day))).String(), "/keys/"+s.has(2, ending(start.Add(9*day)), disabled).String()
			form := s.get(soon + "/edit?fix=expiring").want(http.StatusOK).form(soon + "/edit")
			if c.days == "" {
				s.get(soon).want(http.StatusOK, "This key stops working in 9 days", "Keys here may not end later.").lacks("Give it a later end")
				s.get(off).want(http.StatusOK, "and may not get a later end.").lacks("Give it a later end")
				s.get("/review").lacks("Give it a later end")
				if form.Get("expires_in_days") != "" {
					t.Errorf("the form has %q days", form.Get("expires_in_days"))
				}
				return
			}
			s.get(soon).want(http.StatusOK, "Give it a later end").lacks("may not end later")
			s.get(off).want(http.StatusOK, "Give it a later end")
			if form.Get("expiry") != "custom" || form.Get("expires_in_days") != c.days {
				t.Errorf("the form has %q, %q days", form.Get("expiry"), form.Get("expires_in_days"))
			}
			s.post(soon+"/edit", form).want(http.StatusSeeOther)
		})
	}
}

// A link that suggests what is not so changes nothing of the form.
func TestReviewFixesThatAreNone(t *testing.T) {
	s := newSite(t)
	ids := forReview(s)
	path := "/keys/" + ids["nothing"].String() + "/edit"
	plain := s.get(path)
	for _, code := range []string{"idle", "unused_scope", "one_network", "high_limits", "nonsense", "never_used", "%00"} {
		if got := s.get(path + "?fix=" + code); random.ReplaceAllString(got.body, "") != random.ReplaceAllString(plain.body, "") {
			t.Errorf("%s: %s", code, got.text())
		}
	}
}

// Who may not change keys is told, and offered nothing; who may not see use is told
// nothing of it.
func TestReviewPowers(t *testing.T) {
	s := newSite(t)
	forReview(s)
	s.only(adminapi.VerbList, adminapi.VerbUsage)
	got := s.get("/review").want(http.StatusOK, "posts:write was not used", "Never expires")
	for _, n := range got.elements("a") {
		if href := attr(n, "href"); strings.Contains(href, "/edit") || strings.Contains(href, "/disable") {
			t.Errorf("it links to %s", href)
		}
	}
	s.only(adminapi.VerbList)
	s.get("/review").want(http.StatusOK, "Never expires", "You may not see how much keys are used here").lacks("posts:write was", "203.0.113.0/24", "a day, and used")
	s.only(adminapi.VerbUsage)
	s.get("/review").want(http.StatusForbidden, "You may not see the keys of this workspace").lacks("Zapier")
	s.authority = adminapi.Authority{Workspace: "globex", Actor: "eve", May: adminapi.Verbs()}
	s.get("/review").want(http.StatusOK, "Nothing to do", "Look again in a month").lacks("Zapier", "Next page")
}

// All keys that there is something to say about come, page after page.
func TestReviewInPages(t *testing.T) {
	s := newSite(t)
	const n = 2*pageSize + 3
	for i := range n {
		if i < 10 {
			s.has(i)
		} else {
			s.has(3000 + i)
		}
	}
	for i := range keystore.MaxPage { // between these, so that a page takes several calls
		s.has(1000+i, revoked)
	}
	rows, pages, most := 0, 0, 0
	for path := "/review"; path != ""; pages++ {
		got, before := s.get(path).want(http.StatusOK), rows
		path = ""
		for _, e := range got.elements("") {
			if attr(e, "data-testid") == "review-row" {
				rows++
			}
			if attr(e, "rel") == "next" {
				path = strings.TrimPrefix(attr(e, "href"), base)
			}
		}
		most = max(most, rows-before)
	}
	if rows != n || pages != 3 || most > pageSize {
		t.Errorf("%d rows of %d on %d pages", rows, n, pages)
	}
}

// The list says how many keys end soon, and leads to them.
func TestKeysThatEndSoon(t *testing.T) {
	s := newSite(t)
	s.has(1)
	s.has(2, ending(start.Add(30*day+time.Second)))
	s.has(3, of("globex"), ending(start.Add(day)))
	if got := s.get("/").byTest("ending"); got != "" {
		t.Errorf("none ends soon: %q", got)
	}
	for n, want := range map[int]string{1: "1 key expires within 30 days. Show it", 2: "2 keys expire within 30 days. Show them", 101: "More than 100 keys expire within 30 days. Show them"} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newSite(t)
			for i := range n {
				s.has(i+10, ending(start.Add(30*day)))
			}
			got := s.get("/")
			if words := got.byTest("ending"); words != want {
				t.Errorf("%q", words)
			}
			if s.get("/?status=active").byTest("ending") != "" {
				t.Error("a list that leaves keys out says it")
			}
			s.get("/?filter=expiring&sort=expires").want(http.StatusOK, "Key number 10")
		})
	}
}
