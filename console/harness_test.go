package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

const base = "/settings/api-keys"

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// site is the page on a store of its own, as one visitor sees it.
type site struct {
	t         testing.TB
	store     *keystore.Bolt
	authority adminapi.Authority
	client    netip.Addr
	clock     *atomic.Int64 // seconds since start
	url       string
	refuse    bool                      // there is no authority
	seen      map[apikey.ID]apikey.Seen // in place of what the store has seen
	race      func()                    // what another visitor does just before the next change; nil: nothing
	page      *Page
}

func newSite(t testing.TB) *site {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := keystore.OpenBolt(filepath.Join(folder, "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	table, err := access.NewTable([]access.Route{
		{Methods: []string{"GET"}, Pattern: "/v1/posts/{id}", Scopes: access.AllOf("posts:read")},
		{Methods: []string{"GET"}, Pattern: "/v1/posts", Scopes: access.AllOf("posts:read")},
		{Methods: []string{"POST"}, Pattern: "/v1/posts", Scopes: access.AllOf("posts:write")},
		{Methods: []string{"POST"}, Pattern: "/v1/posts/with-media", Scopes: access.AllOf("posts:write", "media:upload")},
		{Methods: []string{"GET"}, Pattern: "/v1/invoices", Scopes: access.AllOf("invoices:read")},
		{Methods: []string{"GET"}, Pattern: "/v1/status", Access: access.Public},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, store: store, clock: new(atomic.Int64), client: netip.MustParseAddr("203.0.113.77"),
		authority: adminapi.Authority{Workspace: "acme", Actor: "ada", Via: "console", May: adminapi.Verbs()},
	}
	api := adminapi.New(adminapi.Options{Store: racing{store, s}, Brand: "patra", Now: s.now, Mappings: []adminapi.Mapping{{Policy: access.Policy{Brand: "patra", Table: table}}}})
	if s.page, err = New(Options{API: func() (*adminapi.Server, error) { return api, nil }, Base: base, Now: s.now}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix(base, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.refuse {
			s.page.Refuse(w, r, http.StatusForbidden, fmt.Errorf("the workspace is empty"))
			return
		}
		authority := s.authority
		s.page.Serve(w, r, Visit{Authority: &authority, Client: s.client, Host: func() string { return "https://api.example" }})
	})))
	t.Cleanup(server.Close)
	s.url = server.URL + base
	return s
}

// racing is a store in which another visitor is faster once, and which may have
// seen other things of keys.
type racing struct {
	keystore.Store
	s *site
}

func (r racing) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	if race := r.s.race; race != nil {
		r.s.race = nil
		race()
	}
	return r.Store.Update(id, action, by, edit)
}

func (r racing) Seen(ids []apikey.ID) ([]apikey.Seen, error) {
	list, err := r.Store.Seen(ids)
	for i, id := range ids {
		if seen, ok := r.s.seen[id]; ok && err == nil {
			list[i] = seen
		}
	}
	return list, err
}

func (s *site) now() time.Time { return start.Add(time.Duration(s.clock.Load()) * time.Second) }

func (s *site) wait(d time.Duration) { s.clock.Add(int64(d / time.Second)) }

// only lets the visitor do nothing but this.
func (s *site) only(verbs ...adminapi.Verb) { s.authority.May = verbs }

// has stores the nth key, as it is after the changes.
func (s *site) has(n int, changes ...func(*apikey.Key)) apikey.ID {
	s.t.Helper()
	id, err := apikey.ParseID(fmt.Sprintf("Key%09d", n))
	if err != nil {
		s.t.Fatal(err)
	}
	k := apikey.Key{Workspace: "acme", Name: fmt.Sprintf("Key number %d", n), Scopes: []string{"posts:read"}, CreatedAt: s.now(), CreatedBy: "grace"}
	k.SetToken("patra", id, apikey.Hash{byte(n), byte(n >> 8), 1})
	for _, change := range changes {
		change(&k)
	}
	if err := k.Normalize(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.Create(k, keystore.Actor{At: s.now(), Via: "offline", By: "grace"}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

func named(name string) func(*apikey.Key)   { return func(k *apikey.Key) { k.Name = name } }
func of(workspace string) func(*apikey.Key) { return func(k *apikey.Key) { k.Workspace = workspace } }

func holding(scopes ...string) func(*apikey.Key) { return func(k *apikey.Key) { k.Scopes = scopes } }
func ending(at time.Time) func(*apikey.Key)      { return func(k *apikey.Key) { k.ExpiresAt = at } }
func disabled(k *apikey.Key)                     { k.Disabled = true }
func revoked(k *apikey.Key)                      { k.RevokedAt = start }

// used stores that a key was used just now.
func (s *site) used(id apikey.ID, allowed, limited, denied uint64) {
	s.t.Helper()
	now := s.now()
	err := s.store.SaveUsage([]apikey.Usage{{ID: id, Day: apikey.DayOf(now), Allowed: allowed, Limited: limited, Denied: denied, LastUsed: now.Truncate(time.Minute).Unix()}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) key(id string) apikey.Key {
	s.t.Helper()
	parsed, err := apikey.ParseID(id)
	if err != nil {
		s.t.Fatal(err)
	}
	k, err := s.store.Get(parsed)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (s *site) count() int {
	s.t.Helper()
	page, err := s.store.List(keystore.Query{Limit: keystore.MaxPage})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(page.Keys)
}

// answer is what a browser gets.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

func (s *site) do(method, path string, form url.Values, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, method + " " + path, resp.StatusCode, resp.Header, string(body)}
}

func (s *site) get(path string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, nil)
}

func (s *site) post(path string, form url.Values) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, form)
}

// want fails unless the answer has the status and shows all of the texts.
func (a answer) want(status int, texts ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: %d, want %d\n%s", a.what, a.status, status, mainOf(a.body))
	}
	shown := a.text()
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			a.t.Errorf("%s does not say %q\n%s", a.what, text, shown)
		}
	}
	return a
}

// lacks fails if the answer shows one of the texts.
func (a answer) lacks(texts ...string) answer {
	a.t.Helper()
	shown := a.text()
	for _, text := range texts {
		if strings.Contains(shown, text) {
			a.t.Errorf("%s says %q\n%s", a.what, text, shown)
		}
	}
	return a
}

func mainOf(body string) string {
	_, body, _ = strings.Cut(body, "<main")
	body, _, _ = strings.Cut(body, "</main>")
	return body
}

func (a answer) tree() *html.Node {
	a.t.Helper()
	tree, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		a.t.Fatal(err)
	}
	return tree
}

// text is what the page shows, with single spaces.
func (a answer) text() string {
	var b strings.Builder
	for n := range a.tree().Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// elements returns those with a name, such as input, or all for "".
func (a answer) elements(name string) (found []*html.Node) {
	for n := range a.tree().Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	value, _ := attrOK(n, name)
	return value
}

func attrOK(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// byTest returns the text of the element with a data-testid, or "".
func (a answer) byTest(id string) string {
	for _, n := range a.elements("") {
		if attr(n, "data-testid") == id {
			var b strings.Builder
			for c := range n.Descendants() {
				if c.Type == html.TextNode {
					b.WriteString(c.Data)
				}
			}
			return strings.TrimSpace(b.String())
		}
	}
	return ""
}

// form returns the fields of the form with an action as a browser would send
// them, untouched.
func (a answer) form(action string) url.Values {
	a.t.Helper()
	for _, form := range a.elements("form") {
		if attr(form, "action") == base+action && attr(form, "method") == "post" {
			return fieldsOf(form)
		}
	}
	a.t.Fatalf("%s has no form for %s\n%s", a.what, action, mainOf(a.body))
	return nil
}

func fieldsOf(form *html.Node) url.Values {
	values := make(url.Values)
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		_, checked := attrOK(n, "checked")
		switch n.Data {
		case "input":
			if kind := attr(n, "type"); (kind != "checkbox" && kind != "radio") || checked {
				values.Add(name, attr(n, "value"))
			}
		case "textarea":
			text := ""
			if n.FirstChild != nil {
				text = n.FirstChild.Data
			}
			values.Add(name, text)
		case "select":
			for option := range n.Descendants() {
				if _, selected := attrOK(option, "selected"); selected {
					text := attr(option, "value")
					if text == "" && option.FirstChild != nil {
						text = option.FirstChild.Data
					}
					values.Add(name, text)
				}
			}
		}
	}
	return values
}
