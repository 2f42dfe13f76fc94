package console

import (
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

var member = regexp.MustCompile(`\b[a-z]+_[a-z_]+\b|\bRFC\b|\bJSON\b|--`)

// What is to be corrected is told without the names that the API has for things,
// whichever field is wrong, in which form, and under which bounds.
func TestProblemsAreInPlainWords(t *testing.T) {
	bounds := map[string]adminapi.Bounds{
		"none": {},
		"tight": {
			Expiry: adminapi.ExpiryBounds{Default: 20, Max: 30}, PerMinute: adminapi.LimitBounds{Max: 10}, PerDay: adminapi.LimitBounds{Max: 20},
			Scopes: []string{"posts:read"}, Origins: adminapi.Forbidden, IPs: adminapi.Required, Keys: 1,
		},
		"demanding": {Origins: adminapi.Required, IPs: adminapi.Forbidden, Expiry: adminapi.ExpiryBounds{Required: true}},
	}
	values := map[string][]string{
		"name": {"", "a  b", strings.Repeat("x", 101)}, "description": {"\t", strings.Repeat("x", 501)}, "scopes": {"", "posts:write", "Posts", "posts:wrte", "other:scope"},
		"expiry": {"", "never", "keep", "soon", "31", "5000"}, "per_minute": {"0", "11", "1000001", "x"}, "per_day": {"0", "21", "1000000001"}, "burst": {"0", "61", "9999999", "x"},
		"allowed_origins": {"", "*", "null", "shop.example", "https://shop.example/path", "https://*.example", "ftp://x.example", "https://shop.example:0", "https://a..b", strings.Repeat("https://a.example\n", 65)},
		"allowed_ips":     {"", "x", "10.0.0.1/8", "0.0.0.0/0", "fe80::1%eth0", "203.0.113.7/99"}, "workspace": {"", "a,b", "*"},
	}
	told := 0
	for name, bound := range bounds {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			old := s.has(1, holding("posts:read", "posts:write"), ending(start.Add(300*24*time.Hour))).String()
			s.has(2, disabled, of("globex"))
			s.authority.Bounds = bound
			check := func(got answer, what string) {
				t.Helper()
				words := got.byTest("errors")
				for _, n := range got.elements("p") {
					if id := attr(n, "id"); strings.HasPrefix(id, "e-") {
						words += " " + wordsAt(got, strings.TrimPrefix(id, "e-"))
					}
				}
				if words != "" {
					told++
				}
				if found := member.FindString(words); found != "" {
					t.Errorf("%s: says %q in %q", what, found, words)
				}
			}
			for field, list := range values {
				for _, value := range list {
					for _, workspace := range []string{"acme", adminapi.AllWorkspaces} {
						s.authority.Workspace = workspace
						for _, step := range []string{"check", "create"} {
							form := typedForm("step", step, "workspace", "acme", "nonce", newNonce(), "per_minute", "5", "per_day", "10", "expiry", "30", field, value)
							check(s.post("/new", form), "new: "+field+" "+value)
						}
						edit := s.get("/keys/" + old + "/edit").form("/keys/" + old + "/edit")
						edit.Set(field, value)
						check(s.post("/keys/"+old+"/edit", edit), "edit: "+field+" "+value)
					}
				}
			}
			for path, form := range map[string]url.Values{"/rotate": {"overlap": {"1h"}}, "/rotate?": {"overlap": {"x"}}, "/enable": {}, "/explain": {"path": {"x"}, "ip": {"x"}}, "/delete": {"confirm": {"x"}}} {
				check(s.post("/keys/"+old+path, maps.Clone(form)), path)
				check(s.post("/keys/Key000000002"+path, maps.Clone(form)), path)
			}
		})
	}
	if told < 200 {
		t.Errorf("only %d problems were told", told)
	}
}

// What a key has and may not keep is not offered to be kept, and the page says why.
func TestExpiryThatMayNotBeKept(t *testing.T) {
	for name, c := range map[string]struct {
		ends   time.Duration // 0: never
		bounds adminapi.ExpiryBounds
		want   string // what is chosen first
		says   string
	}{
		"no bound, never":        {0, adminapi.ExpiryBounds{}, "keep", "Keep: it never expires"},
		"no bound":               {50 * day, adminapi.ExpiryBounds{}, "keep", "Keep: 12 Jan 2027"},
		"required, never":        {0, adminapi.ExpiryBounds{Required: true}, "90", "Keys here must expire, and this one does not."},
		"required, has one":      {50 * day, adminapi.ExpiryBounds{Required: true}, "keep", "Keep: 12 Jan 2027"},
		"short, never":           {0, adminapi.ExpiryBounds{Max: 30}, "30", "Keys here must expire, and this one does not."},
		"short, with a default":  {0, adminapi.ExpiryBounds{Max: 30, Default: 7}, "7", "Keys here must expire, and this one does not."},
		"short, ends too late":   {50 * day, adminapi.ExpiryBounds{Max: 30}, "30", "Keys here end within 30 days, and this one does not."},
		"short, ends soon":       {20 * day, adminapi.ExpiryBounds{Max: 30}, "keep", "Keep: 13 Dec 2026"},
		"short, ends just there": {30 * day, adminapi.ExpiryBounds{Max: 30}, "keep", "Keep: 23 Dec 2026"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			change := func(*apikey.Key) {}
			if c.ends > 0 {
				change = ending(start.Add(c.ends))
			}
			path := "/keys/" + s.has(1, change).String() + "/edit"
			s.authority.Bounds.Expiry = c.bounds
			page := s.get(path).want(200, c.says)
			form := page.form(path)
			if form.Get("expiry") != c.want {
				t.Errorf("%q is chosen, want %q", form.Get("expiry"), c.want)
			}
			if keeps := strings.Contains(page.text(), "Keep:"); keeps != (c.want == "keep") {
				t.Errorf("to keep it is offered: %t", keeps)
			}
			s.post(path, form).want(303)
			form.Set("etag", s.get(path).form(path).Get("etag"))
			form.Set("expiry", "keep")
			s.post(path, form).want(303)
		})
	}
}
