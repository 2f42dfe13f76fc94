//go:build backends

package plugin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// mappedRoute is a route that each backend serves and the gateway maps, each
// with a scope of its own. Name is what backends call it.
type mappedRoute struct {
	Name    string `json:"name"`
	Method  string `json:"method"`
	Pattern string `json:"pattern"`
	Example string `json:"-"` // a path that it serves
}

// mapped has the more specific routes first, for backends that go by order.
var mapped = func() []mappedRoute {
	var routes []mappedRoute
	for line := range strings.Lines(`
GET /v1/posts /v1/posts
POST /v1/posts /v1/posts
GET /v1/posts/drafts /v1/posts/drafts
GET /v1/posts/{id} /v1/posts/42
DELETE /v1/posts/{id} /v1/posts/42
GET /v1/posts/{id}/comments /v1/posts/42/comments
GET /v1/posts/{id}/comments/{comment} /v1/posts/42/comments/7
GET /v1/users/me /v1/users/me
GET /v1/users/me/Keys /v1/users/me/Keys
GET /v1/users/{id} /v1/users/ada
GET /v1/analytics/skill /v1/analytics/skill
GET /v1/analytics/* /v1/analytics/week/12
POST /v1/ai/* /v1/ai/text
PUT /v1/settings/ /v1/settings/
GET /files/Report.pdf /files/Report.pdf
GET /files/{name} /files/a.txt
GET /admin /admin
DELETE /admin/* /admin/users
`) {
		if f := strings.Fields(line); len(f) == 3 {
			routes = append(routes, mappedRoute{f[0] + " " + f[1], f[0], f[1], f[2]})
		}
	}
	return routes
}()

func scopeOf(i int) string { return fmt.Sprintf("route%d:use", i) }

// startBeforeReaders puts the gateway in front of each backend, on a port of
// its own, and returns the addresses. The last one is in front of none, and
// answers all that passes.
func startBeforeReaders(t *testing.T, readers []reader) (*gateway, []string) {
	t.Helper()
	var config strings.Builder
	config.WriteString("{\n\tkeygate {\n\t\tstore bbolt ./data/keygate.db\n\t}\n}\n(mapped) {\n\tkeygate {\n")
	for i, r := range mapped {
		fmt.Fprintf(&config, "\t\tscope %s %s %s\n", scopeOf(i), r.Method, r.Pattern)
	}
	config.WriteString("\t}\n}\n")
	var addrs []string
	for _, r := range readers {
		port := freePort(t)
		addrs = append(addrs, "127.0.0.1:"+port)
		fmt.Fprintf(&config, "http://:%s {\n\timport mapped\n\treverse_proxy %s\n}\n", port, r.addr)
	}
	port := freePort(t)
	fmt.Fprintf(&config, "http://:%s {\n\timport mapped\n\trespond passed\n}\n", port)
	return startCaddy(t, config.String()), append(addrs, "127.0.0.1:"+port)
}

func (r *request) bytes(token string) string {
	return r.method + " " + r.target + " HTTP/1.1\r\nHost: keygate.test\r\nAuthorization: Bearer " + token + "\r\n" + r.headers + "Content-Length: 0\r\n\r\n"
}

// keyring has a key with all scopes, and for each route one that holds all
// scopes but the route's own.
type keyring struct {
	all string
	but map[string]string // by the name of the route
}

func newKeyring(t *testing.T, g *gateway) keyring {
	t.Helper()
	create := func(without int) string {
		flags := []string{"--per-minute", "1000000", "--per-day", "1000000000"}
		for i := range mapped {
			if i != without {
				flags = append(flags, "--scope", scopeOf(i))
			}
		}
		return g.token(t, flags...)
	}
	k := keyring{create(-1), make(map[string]string)}
	for i, r := range mapped {
		k.but[r.Name] = create(i)
	}
	return k
}

// Whatever a backend takes for a route is only ever let through on that
// route's scope. A request that passes with all scopes, and is served as some
// route, must not pass without the scope of that one.
func TestBackendsServeWhatWasAuthorised(t *testing.T) {
	readers := startReaders(t)
	g, addrs := startBeforeReaders(t, readers)
	keys := newKeyring(t, g)
	requests := allRequests()
	if len(requests) < 10_000 {
		t.Fatalf("only %d requests", len(requests))
	}
	passed := through(t, addrs[len(readers)], keys, requests)
	t.Logf("%d of %d requests pass with all scopes", len(passed), len(requests))
	for i := range readers {
		t.Run(readers[i].name, func(t *testing.T) {
			readers[i].check(t, addrs[i], keys)
			var failures failureLog
			var served atomic.Int64
			each(addrs[i], passed, func(conn *rawConn, r *request) {
				ok, err := r.tryOn(conn, keys)
				if err != nil {
					failures.add(t, err)
				}
				if ok {
					served.Add(1)
				}
			})
			t.Logf("%d of them were served", served.Load())
			if served.Load() < int64(10*len(mapped)) {
				t.Errorf("only %d requests were served: the backend is hardly asked anything", served.Load())
			}
		})
	}
}

// each calls f with every request, on a few connections at a time.
func each(addr string, requests []request, f func(*rawConn, *request)) {
	const connections = 4
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			conn := &rawConn{addr: addr}
			defer conn.close()
			for n := next.Add(1); n <= int64(len(requests)); n = next.Add(1) {
				f(conn, &requests[n-1])
			}
		})
	}
	wg.Wait()
}

// through returns the requests that pass with all scopes. The others reach no
// backend, so they are tried once for all of them.
func through(t *testing.T, addr string, keys keyring, requests []request) (passed []request) {
	t.Helper()
	var mu sync.Mutex
	var failures failureLog
	each(addr, requests, func(conn *rawConn, r *request) {
		a, err := conn.send(r.bytes(keys.all), r.method)
		if err != nil {
			failures.add(t, fmt.Errorf("sent %q: %w", r.bytes("KEY"), err))
		}
		if a.view == "passed" || r.method == http.MethodHead && a.status == http.StatusOK {
			mu.Lock()
			defer mu.Unlock()
			passed = append(passed, *r)
		}
	})
	return passed
}

// failureLog shows the first failures and leaves the others at that.
type failureLog struct{ n atomic.Int64 }

func (f *failureLog) add(t *testing.T, err error) {
	t.Helper()
	if f.n.Add(1) <= 20 {
		t.Error(err)
		return
	}
	t.Fail()
}

func allRequests() []request {
	var requests []request
	seen := make(map[request]bool)
	add := func(more []request) {
		for _, r := range more {
			if !seen[r] {
				seen[r] = true
				requests = append(requests, r)
			}
		}
	}
	for i := range mapped {
		add(mutations(&mapped[i]))
		for _, step := range []int{1, 7} {
			add(crossings(&mapped[i], &mapped[(i+step)%len(mapped)]))
		}
	}
	return requests
}

// tryOn reports whether the backend served the request as some route, and what
// is wrong with that.
func (r *request) tryOn(conn *rawConn, keys keyring) (served bool, err error) {
	sent := r.bytes("KEY")
	a, err := conn.send(r.bytes(keys.all), r.method)
	if err != nil {
		return false, fmt.Errorf("sent %q: %w", sent, err)
	}
	if a.served == "" {
		return false, nil
	}
	without, ok := keys.but[a.served]
	if !ok {
		without, ok = keys.but[strings.Replace(a.served, "HEAD ", "GET ", 1)]
	}
	if !ok {
		return true, fmt.Errorf("served as %s, which no route maps\nsent %q\nthe backend saw %q", a.served, sent, a.view)
	}
	b, err := conn.send(r.bytes(without), r.method)
	switch {
	case err != nil:
		return true, fmt.Errorf("sent %q: %w", sent, err)
	case b.served != "":
		return true, fmt.Errorf("served as %s with a key that lacks its scope\nsent %q\nthe backend saw %q", b.served, sent, b.view)
	case b.status != http.StatusForbidden:
		return true, fmt.Errorf("answered %d with a key that lacks the scope of %s, want 403\nsent %q", b.status, a.served, sent)
	}
	return true, nil
}

// check makes sure that the backend serves what it should, through the gateway,
// and that it is as peculiar as its kind is.
func (rd *reader) check(t *testing.T, gateway string, keys keyring) {
	t.Helper()
	conn := &rawConn{addr: gateway}
	defer conn.close()
	for _, r := range mapped {
		own := request{method: r.Method, target: r.Example}
		a, err := conn.send(own.bytes(keys.all), r.Method)
		if err != nil || a.served != r.Name {
			t.Fatalf("%s is served as %q (status %d, %v): %s", r.Name, a.served, a.status, err, a.view)
		}
	}
	direct := &rawConn{addr: rd.addr}
	defer direct.close()
	odd := request{method: "GET", target: rd.peculiar}
	if a, err := direct.send(odd.bytes("none"), odd.method); err != nil || a.served != rd.servedAs {
		t.Errorf("without the gateway %s is served as %q, want %s (%v): %s", rd.peculiar, a.served, rd.servedAs, err, a.view)
	}
}
