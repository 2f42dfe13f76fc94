//go:build caches

package plugin_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pluginsBinary is Caddy with Keygate and the plugins of others.
var pluginsBinary = sync.OnceValues(func() (string, error) { return buildCaddy("caddy-plugins", "plugins", ".") })

// mix is one way for a backend to speak of caching.
type mix struct {
	name, query string
	open        bool // the backend says itself that anybody may have the answer (RFC 9111 §3.5)
	together    bool // worth asking for by several at once
}

// inAnHour is soon enough for caches that mistrust what is far away.
var inAnHour = url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))

// cacheControls are what backends write, and whether it is the permission to
// give the answer to others than the one who asked.
var cacheControls = map[string]struct {
	fields string
	open   bool
}{
	"nothing":                {},
	"max-age":                {fields: "cc=max-age=60"},
	"max-age, in two lines":  {fields: "cc=max-age=60&cc=must-revalidate"},
	"immutable":              {fields: "cc=max-age=60,immutable"},
	"must-revalidate":        {fields: "cc=max-age=60, must-revalidate"},
	"stale-while-revalidate": {fields: "cc=max-age=60, stale-while-revalidate=60, stale-if-error=60"},
	"stale at once":          {fields: "cc=max-age=0, stale-while-revalidate=60"},
	"no-cache":               {fields: "cc=no-cache"},
	"no-cache of a field":    {fields: `cc=no-cache="x", max-age=60`},
	"private":                {fields: "cc=private, max-age=60"},
	"private of a field":     {fields: `cc=private="x", max-age=60`},
	"private in capitals":    {fields: "cc=PRIVATE, max-age=60"},
	"no-store":               {fields: "cc=no-store"},
	"Expires":                {fields: "expires=" + inAnHour},
	"Pragma":                 {fields: "pragma=no-cache"},
	"public":                 {fields: "cc=public, max-age=60", open: true},
	"s-maxage":               {fields: "cc=s-maxage=60", open: true},
	"public in a value":      {fields: `cc=max-age=60, x="public, s-maxage=60"`},
	"public as part":         {fields: "cc=max-age=60, publicity, x-s-maxage=60"},
}

// mixes are every Cache-Control with every Vary, every validator and every
// status that caches keep.
func mixes() (all []mix) {
	for _, name := range slices.Sorted(maps.Keys(cacheControls)) {
		cc := cacheControls[name]
		for _, vary := range []string{"", "vary=Accept", "vary=Origin", "vary=*"} {
			all = append(all, mix{name + " " + vary, cc.fields + "&" + vary, cc.open, true})
		}
		for _, more := range []string{"validator=own", "validator=shared", "validator=modified", "cookie=1", "status=301", "status=404", "status=410"} {
			all = append(all, mix{name + " " + more, cc.fields + "&" + more, cc.open, more == "validator=shared"})
		}
	}
	return all
}

// asker is one who sends requests, with a key or without.
type asker struct {
	name    string
	key     string // its ID; nobody: none
	token   string
	refused int // the status that it always gets; 0: it is answered
}

// keyHeaders may carry a key.
var keyHeaders = []string{"Authorization", "X-API-Key"}

// in returns the header that carries the asker's key.
func (a asker) in(header string) []string {
	switch {
	case a.token == "":
		return nil
	case header == "X-API-Key":
		return []string{"X-API-Key: " + a.token}
	default:
		return []string{bearer(a.token)}
	}
}

// cachedSite is a gateway and a cache, before or behind it.
type cachedSite struct {
	backend *cachedBackend
	gateway *gateway
	url     string // of whoever is asked first
	client  *http.Client
	strict  bool // a cache may not even share what the backend calls public

	one, sister, stranger, anonymous, weak, revoked asker

	mu    sync.Mutex
	leaks map[string][]string // what was answered wrongly, and to which mixes
	asked int
}

// newCachedSite makes the keys. Where the cache is not in the gateway, front
// starts one that asks the gateway, and behind one that asks the backend. Both
// return where they listen.
func newCachedSite(t testing.TB, caddyfile string, front, behind func(asks string) string) *cachedSite {
	t.Helper()
	b := startCachedBackend(t)
	asked := b.Addr
	if behind != nil {
		asked = behind(b.Addr)
	}
	g := startCaddyFrom(t, pluginsBinary, caddyfile, "BACKEND="+asked)
	s := &cachedSite{backend: b, gateway: g, url: g.URL, client: newClient(t), leaks: make(map[string][]string), anonymous: asker{name: nobody, key: nobody, refused: 401}}
	if front != nil {
		s.url = "http://" + front(strings.TrimPrefix(g.URL, "http://"))
	}
	create := func(name, workspace, scope string, refused int) asker {
		k, token := g.createKey(t, "--workspace", workspace, "--scope", scope, "--per-minute", "1000000", "--per-day", "1000000000")
		return asker{name, k.ID, token, refused}
	}
	s.one = create("a key", "acme", "posts:read", 0)
	s.sister = create("another key of its workspace", "acme", "posts:read", 0)
	s.stranger = create("a key of another workspace", "globex", "posts:read", 0)
	s.weak = create("a key without the scope", "acme", "posts:write", 403)
	s.revoked = create("a revoked key", "acme", "posts:read", 0)
	return s
}

// ask sends one request and notes an answer that is another's.
func (s *cachedSite) ask(t testing.TB, m mix, a asker, method, path string, headers ...string) response {
	t.Helper()
	resp, err := attempt(t.Context(), s.client, method, s.url+path, "", headers)
	leak := func(format string, args ...any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		leak := fmt.Sprintf("%s %s got %s", a.name, method, fmt.Sprintf(format, args...))
		if mixes := s.leaks[leak]; !slices.Contains(mixes, m.name) {
			s.leaks[leak] = append(mixes, m.name)
		}
	}
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	if err != nil {
		leak("no answer: %v", err)
		return resp
	}
	denial := resp.Status == 401 || resp.Status == 403 || resp.Status == 429
	whose := resp.Header["X-To"]
	switch {
	case len(whose) == 1 && resp.Body != "" && resp.Status != 206 && resp.Body != "to "+whose[0]:
		leak("the body %q with the header of %s", resp.Body, whose[0])
	case a.refused != 0 && resp.Status == a.refused && whose == nil:
	case denial:
		leak("the denial %d of another", resp.Status)
	case a.refused == 0 && len(whose) == 1 && whose[0] == a.key:
	case s.strict:
		leak("%d for %s", resp.Status, s.nameOf(whose))
	case m.open && a.key != nobody && len(whose) == 1, m.open && a.refused != 0 && len(whose) == 1:
		// What the backend allows.
	default:
		leak("%d for %s", resp.Status, s.nameOf(whose))
	}
	return resp
}

func (s *cachedSite) nameOf(id []string) string {
	for _, a := range []asker{s.one, s.sister, s.stranger, s.revoked, s.anonymous} {
		if slices.Equal(id, []string{a.key}) {
			return a.name
		}
	}
	return fmt.Sprintf("%q", id)
}

// run asks for every mix in every order, and fails with each leak.
func (s *cachedSite) run(t *testing.T) {
	start := time.Now()
	all := mixes()
	work := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := range work {
				s.askInTurn(t, i, all[i])
				s.askTogether(t, i, all[i])
			}
		})
	}
	for i := range all {
		work <- i
	}
	close(work)
	workers.Wait()

	if r := s.gateway.cli(t, "keygate", "revoke", s.revoked.key); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	s.revoked.refused = 401
	for i, m := range all {
		for _, header := range keyHeaders {
			s.ask(t, m, s.revoked, "GET", path(i, m, "posts", header), s.revoked.in(header)...)
		}
	}
	t.Logf("%d requests for %d mixes in %v", s.asked, len(all), time.Since(start).Round(time.Millisecond))
	for _, leak := range slices.Sorted(maps.Keys(s.leaks)) {
		t.Errorf("%s where the backend says: %s", leak, strings.Join(s.leaks[leak], "; "))
	}
}

// path is that of a mix, of its own for each order of requests.
func path(i int, m mix, route, order string) string {
	return fmt.Sprintf("/v1/%s?i=%d&order=%s&%s", route, i, order, strings.NewReplacer(" ", "%20", `"`, "%22").Replace(m.query))
}

func (s *cachedSite) askInTurn(t *testing.T, i int, m mix) {
	everybody := []asker{s.one, s.sister, s.stranger, s.anonymous, s.weak, s.revoked, s.one}
	var tag string
	for _, header := range keyHeaders {
		for _, a := range everybody {
			resp := s.ask(t, m, a, "GET", path(i, m, "posts", header), a.in(header)...)
			tag = cmp.Or(tag, resp.Header.Get("ETag"))
		}
	}
	header := keyHeaders[i%2]
	for n, condition := range []string{
		"If-None-Match: " + tag, "If-None-Match: *", "If-Modified-Since: " + lastModified,
		"Cache-Control: no-cache", "Cache-Control: max-stale", "Cache-Control: max-age=0",
	} {
		for _, a := range []asker{everybody[1+n%2], everybody[3+n%2]} {
			s.ask(t, m, a, "GET", path(i, m, "posts", header), append(a.in(header), condition)...)
		}
	}
	for _, a := range everybody {
		s.ask(t, m, a, "GET", path(i, m, "posts", "range"), append(a.in(header), "Range: bytes=0-8")...)
	}
	for _, a := range everybody[1:4] {
		s.ask(t, m, a, "GET", path(i, m, "posts", "range"), a.in(header)...)
	}
	for n, a := range everybody[:4] {
		s.ask(t, m, a, "HEAD", path(i, m, "posts", "head"), a.in(header)...)
		next := everybody[n+1]
		s.ask(t, m, next, "GET", path(i, m, "posts", "head"), next.in(header)...)
	}
	for _, a := range everybody[:3] { // a cache has to look at both headers
		s.ask(t, m, a, "GET", path(i, m, "posts", "both"), a.in("Authorization")...)
		s.ask(t, m, s.anonymous, "GET", path(i, m, "posts", "both"))
		s.ask(t, m, a, "GET", path(i, m, "posts", "both"), a.in("X-API-Key")...)
	}
	// A public route tells the backend nobody's name.
	for _, a := range everybody[:4] {
		s.ask(t, m, asker{name: a.name + " on a public route", key: nobody}, "GET", path(i, m, "status", "public"), a.in(header)...)
	}
}

// askTogether sends requests while one is being answered: for a path that is
// asked for the first time, and for one that a cache may have answers for, which
// it then asks about.
func (s *cachedSite) askTogether(t *testing.T, i int, m mix) {
	if m.together {
		s.together(t, m, path(i, m, "posts", "together"), keyHeaders[i%2])
		s.together(t, m, path(i, m, "posts", keyHeaders[i%2]), keyHeaders[i%2], "If-Modified-Since: Mon, 02 Nov 2020 10:00:00 GMT")
	}
}

func (s *cachedSite) together(t *testing.T, m mix, path, header string, more ...string) {
	name := header + path + strings.Join(more, "")
	h := s.backend.hold(name)
	more = append(more, "X-Hold: "+name)
	var waiting sync.WaitGroup
	done := make(chan struct{}, 8)
	send := func(a asker) {
		waiting.Go(func() {
			s.ask(t, m, a, "GET", path, append(a.in(header), more...)...)
			done <- struct{}{}
		})
	}
	settled := func(n int, patience time.Duration) {
		deadline := time.After(patience)
		for range n {
			select {
			case <-h.arrived:
			case <-done:
			case <-deadline: // it waits for the answer to another
				return
			}
		}
	}
	send(s.one)
	settled(1, patience)
	for _, a := range []asker{s.one, s.sister, s.stranger, s.one, s.stranger, s.anonymous, s.weak} {
		send(a)
	}
	settled(7, 50*time.Millisecond)
	close(h.release)
	waiting.Wait()
}
