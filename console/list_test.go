package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// rows returns what the list shows of each key, in its order.
func rows(a answer) (list []string) {
	for _, n := range a.elements("tr") {
		if attr(n, "data-testid") == "key-row" {
			var b strings.Builder
			for c := range n.Descendants() {
				if c.Data != "" && c.FirstChild == nil && c.Type == 1 { // text
					b.WriteString(c.Data + " ")
				}
				if label := attr(c, "aria-label"); label != "" {
					b.WriteString("[" + label + "] ")
				}
			}
			list = append(list, strings.Join(strings.Fields(b.String()), " "))
		}
	}
	return list
}

func TestListRows(t *testing.T) {
	s := newSite(t)
	s.has(1, named("Zapier"), holding("posts:read", "posts:write", "media:upload", "invoices:read"), ending(start.Add(9*24*time.Hour)))
	s.has(2, named("Idle"), disabled)
	s.has(3, named("Gone"), revoked)
	s.has(4, named("Old"), ending(start.Add(time.Hour)), holding("posts:read", "posts:write", "media:upload"))
	s.wait(2 * time.Hour)
	s.used(s.key("Key000000001").ID, 810, 3, 1)
	s.wait(2 * time.Hour)
	got := rows(s.get("/"))
	slices.Sort(got)
	want := []string{
		"Gone patra_Key000000003 posts:read Revoked – Never No use in 30 days",
		"Idle patra_Key000000002 posts:read Disabled Never Never No use in 30 days",
		"Old patra_Key000000004 media:upload posts:read posts:write Expired 3 hours ago Never No use in 30 days",
		"Zapier patra_Key000000001 invoices:read media:upload +2 more Active in 9 days 2 hours ago [814 requests in 30 days, 4 of them refused]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := rows(s.get("/?status=revoked")); len(got) != 1 || !strings.HasPrefix(got[0], "Gone") {
		t.Errorf("revoked: %q", got)
	}
}

var nextPage = regexp.MustCompile(`href="` + base + `(/[^"]*)" rel="next"`)

// The pages of a list have each key once, and keep its filters.
func TestListPages(t *testing.T) {
	s := newSite(t)
	const n = 2*pageSize + 7
	for i := range n {
		s.has(i+1, func(k *apikey.Key) { k.Disabled = i%50 == 0 })
	}
	seen := make(map[string]bool)
	path, pages := "/", 0
	for ; path != "" && pages < 9; pages++ {
		got := s.get(path).want(http.StatusOK)
		list := rows(got)
		if len(list) > pageSize || len(list) == 0 {
			t.Errorf("%s has %d keys", path, len(list))
		}
		for _, row := range list {
			if seen[row] {
				t.Errorf("%s is there twice", row)
			}
			seen[row] = true
		}
		first := strings.Contains(got.text(), "First page")
		if first != (pages > 0) || strings.Contains(got.text(), "This is the last page") != (len(seen) == n) {
			t.Errorf("page %d offers the first one: %t", pages+1, first)
		}
		path = ""
		if m := nextPage.FindStringSubmatch(got.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != n || pages != 3 {
		t.Errorf("%d keys on %d pages", len(seen), pages)
	}
	if m := nextPage.FindStringSubmatch(s.get("/?status=active&sort=").body); m == nil || !strings.Contains(m[1], "status=active") {
		t.Errorf("the next page forgets the filter: %q", m)
	}
}

// The empty list says what is the matter.
func TestEmptyLists(t *testing.T) {
	s := newSite(t)
	s.get("/").want(http.StatusOK, "No keys yet", "A key is a password for a program", "Make the first key").lacks("Search")
	s.only(adminapi.VerbList)
	s.get("/").want(http.StatusOK, "No keys yet", "You may not make keys here").lacks("Make the first key")
	s.has(1)
	s.get("/?status=revoked").want(http.StatusOK, "No key is like that", "Show all keys").lacks("No keys yet")
	s.get("/keys/Key000000001").lacks("No use")
	s.only(adminapi.VerbList, adminapi.VerbUsage)
	s.get("/keys/Key000000001").want(http.StatusOK, "No use in the last 30 days", "Every request with this key is counted here")
}

// A filter that the API refuses is told in the words of the list.
func TestListFilterProblems(t *testing.T) {
	s := newSite(t)
	s.has(1)
	for path, want := range map[string]string{"/?status=wrong": "Status:", "/?cursor=wrong": "This page of the list:", "/?filter=wrong": "Show: \"wrong\" is not a filter."} {
		s.get(path).want(http.StatusUnprocessableEntity, want, "What works:", "Show all keys").lacks("Key number 1")
	}
}

// The use of a key is shown for the days that were asked for, with a table that
// has each day with use.
func TestUse(t *testing.T) {
	s := newSite(t)
	id := s.has(1)
	for _, days := range []int{80, 20, 5, 0} {
		s.clock.Store(int64((80 - days) * 24 * 3600))
		s.used(id, uint64(100+days), 2, 1)
	}
	for days, want := range map[string][]string{
		"":         {"325 allowed", "6 over a limit", "3 not allowed", "11 Feb 2027 100 2 1 6 Feb 2027 105 2 1 22 Jan 2027 120 2 1"},
		"?days=7":  {"205 allowed", "4 over a limit", "2 not allowed", "11 Feb 2027 100 2 1 6 Feb 2027 105 2 1"},
		"?days=90": {"505 allowed", "8 over a limit", "4 not allowed", "22 Jan 2027 120 2 1 23 Nov 2026 180 2 1"},
		"?days=8":  {"325 allowed"},
	} {
		got := s.get("/keys/"+id.String()+days).want(http.StatusOK, want...)
		for _, n := range got.elements("svg") {
			if attr(n, "class") == "plot" && !strings.Contains(attr(n, "aria-label"), "requests in") {
				t.Errorf("the plot says %q", attr(n, "aria-label"))
			}
		}
	}
}

// A long history comes in pages, the newest first.
func TestLongHistory(t *testing.T) {
	s := newSite(t)
	id := s.has(1)
	for i := range 45 {
		s.wait(time.Minute)
		_, err := s.store.Update(id, "update", keystore.Actor{At: s.now(), By: "ada"}, func(k *apikey.Key) error { k.Name = fmt.Sprint("Name ", i); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	path := "/keys/" + id.String()
	got := s.get(path).want(http.StatusOK, "Name 43 → Name 44").lacks("made the key")
	older, pages := regexp.MustCompile(`href="`+base+`([^"#]*history=[^"#]*)#history">Older`), 1
	for m := older.FindStringSubmatch(got.body); m != nil && pages < 9; m = older.FindStringSubmatch(got.body) {
		got = s.get(m[1]).want(http.StatusOK, "Newest")
		pages++
	}
	if got.want(http.StatusOK, "grace made the key"); pages != 3 {
		t.Errorf("%d pages", pages)
	}
}

// That a key expires soon is in its history in plain words, as the gateway's deed.
func TestWarningsInHistory(t *testing.T) {
	s := newSite(t)
	id := s.has(1)
	for _, days := range apikey.Warnings() {
		warned := keystore.Actor{At: s.now(), Via: "keygate", Reason: fmt.Sprintf("%dd", days)}
		if _, err := s.store.Update(id, "expiring", warned, func(k *apikey.Key) error { k.Warned = days; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	s.get("/keys/"+id.String()).want(http.StatusOK,
		"Keygate announced that it expires in 30 days", "Keygate announced that it expires in 14 days",
		"Keygate announced that it expires in 7 days", "Keygate announced that it expires in a day").lacks("expiring")
}

// The first page of 10,000 keys with use, without a network.
func BenchmarkListOf10000(b *testing.B) {
	s := newSite(b)
	const n = 10_000
	keys, usage := make([]apikey.Key, n), []apikey.Usage{}
	today := apikey.DayOf(s.now())
	for i := range keys {
		id, err := apikey.ParseID(fmt.Sprintf("Key%09d", i))
		if err != nil {
			b.Fatal(err)
		}
		keys[i] = apikey.Key{Workspace: "acme", Name: fmt.Sprintf("Key number %05d of a customer", i), Scopes: []string{"posts:read", "posts:write", "media:upload"}, CreatedAt: start}
		keys[i].SetToken("patra", id, apikey.Hash{byte(i), byte(i >> 8), 1})
		if err := keys[i].Normalize(); err != nil {
			b.Fatal(err)
		}
		if i%100 == 0 || i < pageSize {
			for d := range apikey.Day(30) {
				usage = append(usage, apikey.Usage{ID: id, Day: today - d, Allowed: uint64(i)*7919%1000 + uint64(d), Denied: 3, LastUsed: (today - d).Start().Unix()})
			}
		}
	}
	if err := s.store.CreateAll(keys, by, nil); err != nil {
		b.Fatal(err)
	}
	if err := s.store.SaveUsage(usage, nil); err != nil {
		b.Fatal(err)
	}
	size := 0
	for b.Loop() {
		w := httptest.NewRecorder()
		authority := s.authority
		s.page.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), Visit{Authority: &authority})
		if size = w.Body.Len(); w.Code != http.StatusOK || size > 150_000 {
			b.Fatalf("%d, %d bytes", w.Code, size)
		}
	}
	b.ReportMetric(float64(size), "bytes/page")
}
