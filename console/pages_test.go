package console

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

const policyOfContent = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"

// everyPage are the pages of a site with keys of each kind, each as a request.
func everyPage(s *site) map[string]func() answer {
	s.t.Helper()
	ids := map[string]apikey.ID{
		"active":   s.has(1, named("Zapier - product launches")),
		"disabled": s.has(2, disabled),
		"expired":  s.has(3, ending(start.Add(time.Hour))),
		"revoked":  s.has(4, revoked),
		"soon":     s.has(5, ending(start.Add(9*24*time.Hour)), holding("posts:write", "posts:read", "media:upload", "invoices:read", "old:scope")),
		"places": s.has(6, func(k *apikey.Key) {
			k.AllowedIPs, k.AllowedOrigins, k.Description = []string{"203.0.113.0/24"}, []string{"https://shop.example"}, "ask Ada"
		}),
	}
	s.wait(2 * time.Hour)
	s.used(ids["active"], 812, 3, 1)
	pages := make(map[string]func() answer)
	get := func(paths ...string) {
		for _, path := range paths {
			pages["GET "+path] = func() answer { return s.get(path) }
		}
	}
	post := func(name, path string, form url.Values) {
		pages[name] = func() answer { return s.post(path, form) }
	}
	get("/", "/?q=zapier", "/?status=revoked", "/?status=wrong", "/?q=nothing", "/?filter=idle&sort=expires&scope=posts:read&created_by=ada", "/?cursor=nonsense", "/review", "/review?cursor=Key000000001", "/review?cursor=wrong", "/new", "/new?preset=publishing", "/nothing", "/keys/zzzzzzzzzzzz", "/keys/wrong")
	for _, id := range ids {
		path := "/keys/" + id.String()
		get(path, path+"?days=7&done=saved", path+"?days=90", path+"?history=1", path+"/edit", path+"/edit?fix=no_expiry", path+"/edit?fix=nonsense", path+"/rotate", path+"/disable", path+"/enable", path+"/revoke", path+"/delete", path+"/explain")
		post("POST delete "+id.String(), path+"/delete", url.Values{"confirm": {"wrong"}})
		post("POST explain "+id.String(), path+"/explain", url.Values{"method": {"GET"}, "path": {"/v1/posts"}})
		post("POST explain nothing "+id.String(), path+"/explain", url.Values{"ip": {"x"}})
	}
	active := "/keys/" + ids["active"].String()
	pages["POST rotate"] = func() answer { return s.post(active+"/rotate", url.Values{"overlap": {"1h"}}) }
	good := url.Values{"name": {"New one"}, "scopes": {"posts:read"}, "expiry": {"30"}, "workspace": {"acme"}, "nonce": {"0123456789abcdef"}}
	bad := url.Values{"name": {""}, "expiry": {"custom"}, "per_minute": {"x"}, "allowed_ips": {"10.0.0.1/8"}, "allowed_origins": {"*"}, "burst": {"0"}, "per_day": {"-"}, "description": {"a  b"}, "workspace": {"?"}}
	with := func(form url.Values, name, value string) url.Values {
		form = maps.Clone(form)
		form.Set(name, value)
		return form
	}
	pages["POST edit clash"] = func() answer {
		return s.post(active+"/edit", with(good, "etag", `"old"`))
	}
	post("POST check", "/new", with(good, "step", "check"))
	post("POST change", "/new", with(good, "step", "change"))
	post("POST create", "/new", with(good, "step", "create"))
	post("POST wrong", "/new", bad)
	pages["POST made again"] = func() answer {
		s.post("/new", with(good, "step", "create"))
		return s.post("/new", with(good, "step", "create"))
	}
	pages["POST from another site"] = func() answer {
		return s.do(http.MethodPost, "/new", good, "Origin", "https://evil.example")
	}
	pages["no session"] = func() answer {
		s.refuse = true
		defer func() { s.refuse = false }()
		return s.post("/new", good)
	}
	if s.authority.Workspace == adminapi.AllWorkspaces {
		get("/workspaces", "/workspaces?name=??", "/workspaces/acme", "/?workspace=acme")
		post("POST limits wrong", "/workspaces/acme", url.Values{"per_minute": {"x"}})
	}
	return pages
}

// Every page, for every kind of visitor, is a sound document under the policy of
// the site, says nothing of what must not be said, and holds no token unless it
// makes one.
func TestEveryPage(t *testing.T) {
	visitors := map[string]func(*adminapi.Authority){
		"one workspace":  func(*adminapi.Authority) {},
		"all workspaces": func(a *adminapi.Authority) { a.Workspace = adminapi.AllWorkspaces },
		"bounded": func(a *adminapi.Authority) {
			a.Bounds = adminapi.Bounds{
				Keys: 3, Expiry: adminapi.ExpiryBounds{Default: 45, Max: 120}, Scopes: []string{"posts:read", "own:scope"},
				PerMinute: adminapi.LimitBounds{Max: 10}, Origins: adminapi.Forbidden, IPs: adminapi.Required,
			}
		},
		"nothing": func(a *adminapi.Authority) { a.May = nil },
	}
	for _, verb := range adminapi.Verbs() {
		visitors["without "+string(verb)] = func(a *adminapi.Authority) {
			a.May = slices.DeleteFunc(adminapi.Verbs(), func(v adminapi.Verb) bool { return v == verb })
		}
	}
	for visitor, limit := range visitors {
		t.Run(visitor, func(t *testing.T) {
			s := newSite(t)
			limit(&s.authority)
			pages := everyPage(s)
			for _, name := range slices.Sorted(maps.Keys(pages)) {
				t.Run(name, func(t *testing.T) {
					a := pages[name]()
					a.t = t
					checkHeaders(t, a)
					checkDocument(t, a)
					makes := a.status == http.StatusOK && (name == "POST create" || name == "POST rotate")
					if has := apikey.ContainsToken(a.body); has != makes && (has || s.authority.May != nil && visitor == "one workspace") {
						t.Errorf("holds a token: %t", has)
					}
					if strings.Contains(strings.ToLower(a.text()), "invalid") {
						t.Errorf("says invalid:\n%s", a.text())
					}
					if a.status >= 500 {
						t.Errorf("%d: %s", a.status, a.text())
					}
					if len(a.body)+len(stylesheet.content)+len(script.content) > 150_000 {
						t.Errorf("weighs %d bytes", len(a.body))
					}
				})
			}
		})
	}
}

func checkHeaders(t *testing.T, a answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": policyOfContent, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := a.header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if cache := a.header.Get("Cache-Control"); cache != "no-store" && (cache != "private, no-cache" || apikey.ContainsToken(a.body)) {
		t.Errorf("Cache-Control: %q", cache)
	}
}

var eventHandler = regexp.MustCompile(`^on[a-z]+$`)

// checkDocument holds what a browser and a screen reader need of a page.
func checkDocument(t *testing.T, a answer) {
	t.Helper()
	ids, headings := make(map[string]bool), 0
	all := a.elements("")
	for _, n := range all {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("two elements have the id %s", id)
			}
			ids[id] = true
		}
	}
	labelled := make(map[string]bool)
	for _, n := range all {
		if n.Data == "label" {
			if !ids[attr(n, "for")] {
				t.Errorf("a label is for %q, which is not there", attr(n, "for"))
			}
			labelled[attr(n, "for")] = true
		}
	}
	for _, n := range all {
		for _, at := range n.Attr {
			if at.Key == "style" || eventHandler.MatchString(at.Key) {
				t.Errorf("<%s> has %s, which the policy forbids", n.Data, at.Key)
			}
			if (at.Key == "href" || at.Key == "src" || at.Key == "action") && !soundAddress(n, at.Val, ids) {
				t.Errorf("<%s %s=%q>", n.Data, at.Key, at.Val)
			}
			if at.Key == "aria-describedby" || at.Key == "aria-labelledby" {
				for id := range strings.FieldsSeq(at.Val) {
					if !ids[id] {
						t.Errorf("<%s> is described by %q, which is not there", n.Data, id)
					}
				}
			}
		}
		switch n.Data {
		case "h1":
			headings++
		case "style":
			t.Error("a style is in the page")
		case "script":
			if n.FirstChild != nil {
				t.Error("a script is in the page")
			}
		case "input", "select", "textarea":
			if attr(n, "type") != "hidden" && !labelled[attr(n, "id")] {
				t.Errorf("<%s name=%q> has no label", n.Data, attr(n, "name"))
			}
		case "th":
			if attr(n, "scope") == "" {
				t.Error("a header of a table has no scope")
			}
		case "svg":
			if attr(n, "aria-hidden") != "true" && attr(n, "aria-label") == "" {
				t.Error("a picture has no words")
			}
		}
	}
	if headings != 1 {
		t.Errorf("%d headings of the first level", headings)
	}
}

// soundAddress reports whether an address is on this page or below the base.
func soundAddress(n *html.Node, address string, ids map[string]bool) bool {
	if fragment, ok := strings.CutPrefix(address, "#"); ok {
		return ids[fragment]
	}
	return strings.HasPrefix(address, base+"/") || n.Data == "link" && address == "data:,"
}

// All that pages link to is there.
func TestLinksLeadSomewhere(t *testing.T) {
	s := newSite(t)
	pages := everyPage(s)
	seen := make(map[string]bool)
	for name, page := range pages {
		for _, n := range page().elements("") {
			address, ok := strings.CutPrefix(attr(n, "href")+attr(n, "src"), base)
			address, _, _ = strings.Cut(address, "#")
			if !ok || seen[address] {
				continue
			}
			seen[address] = true
			if got := s.get(address); got.status != http.StatusOK {
				t.Errorf("%s links to %s: %d", name, address, got.status)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d links were seen", len(seen))
	}
}

// The page may be the root of a site, and have another title.
func TestPageAtTheRoot(t *testing.T) {
	s := newSite(t)
	id := s.has(1).String()
	for given, base := range map[string]string{"": "", "/": "", "/keys": "/keys"} {
		page, err := New(Options{API: s.page.api, Base: given, Title: "Our <keys>", Now: s.now})
		if err != nil {
			t.Fatal(err)
		}
		serve := func(method, path string) answer {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			page.Serve(w, r, Visit{Authority: &s.authority})
			return answer{t, path, w.Code, w.Header(), w.Body.String()}
		}
		list := serve(http.MethodGet, "/").want(http.StatusOK, "Our <keys>")
		for _, link := range []string{base + "/new", base + "/keys/" + id, base + stylesheet.name, base + script.name} {
			if !strings.Contains(list.body, `="`+link+`"`) {
				t.Errorf("at %q there is no link to %s", given, link)
			}
		}
		if got := serve(http.MethodPost, "/keys/"+id+"/disable").want(http.StatusSeeOther); got.header.Get("Location") != base+"/keys/"+id+"?done=disabled" {
			t.Errorf("at %q to %s", given, got.header.Get("Location"))
		}
	}
}

// Where there is no API, the page says so, and what was typed is kept.
func TestNoAPI(t *testing.T) {
	s := newSite(t)
	api := s.page.api
	s.page.api = func() (*adminapi.Server, error) { return nil, errors.New("the app is not running") }
	for _, path := range []string{"/", "/new", "/keys/Key000000001"} {
		got := s.get(path).want(http.StatusServiceUnavailable, "cannot be reached right now", "the app is not running")
		checkHeaders(t, got)
		checkDocument(t, got)
	}
	s.post("/new", typedForm()).want(http.StatusServiceUnavailable, "Nightly report", "Send it again")
	s.page.api = api
	s.store.Close()
	got := s.post("/new", typedForm("step", "create")).want(http.StatusServiceUnavailable, "cannot be reached right now", "Nightly report", "Send it again")
	checkHeaders(t, got)
	checkDocument(t, got)
}

func TestAssets(t *testing.T) {
	s := newSite(t)
	for _, a := range []asset{stylesheet, script} {
		for _, out := range []bool{false, true} {
			s.refuse = out
			got := s.get(a.name)
			if got.status != http.StatusOK || got.body != string(a.content) || got.header.Get("Content-Type") != a.mediaType || got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
				t.Errorf("%s: %d %v", a.name, got.status, got.header)
			}
			if got.header.Get("Content-Security-Policy") != policyOfContent || got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", a.name, got.header)
			}
		}
	}
	s.refuse = false
	s.get("/assets/0000000000000000.css").want(http.StatusNotFound)
	if got := s.get("/session"); got.status != http.StatusNoContent || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("session: %d", got.status)
	}
	s.refuse = true
	s.get("/session").want(http.StatusForbidden)
}

func TestMethods(t *testing.T) {
	s := newSite(t)
	id := s.has(1).String()
	for path, allow := range map[string]string{"/": "GET, HEAD", "/new": "GET, HEAD, POST", "/keys/" + id: "GET, HEAD", "/keys/" + id + "/revoke": "GET, HEAD, POST"} {
		for _, method := range []string{"PUT", "DELETE", "PATCH"} {
			if got := s.do(method, path, nil).want(http.StatusMethodNotAllowed); got.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got.header.Get("Allow"), allow)
			}
		}
		if got := s.do(http.MethodHead, path, nil); got.status != http.StatusOK || got.body != "" {
			t.Errorf("HEAD %s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/new/", "/keys", "/keys/", "//new", "/keys/" + id + "/", "/keys/../new", "/keys/" + id + "/nothing"} {
		s.get(path).want(http.StatusNotFound)
	}
}
