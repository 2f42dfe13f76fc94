//go:build backends

package plugin_test

import (
	"errors"
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

	// Behind the second door: from a document, or denied.
	Imported bool `json:"-"`
	Denied   bool `json:"-"`
}

// mapped has the more specific routes first, for backends that go by order. A +
// marks those that are imported behind the second door, a - the denied ones. No
// written route is wider than an imported one, or it would come first there.
var mapped = func() []mappedRoute {
	var routes []mappedRoute
	for line := range strings.Lines(`
+ GET /v1/posts /v1/posts
  POST /v1/posts /v1/posts
- GET /v1/posts/drafts /v1/posts/drafts
  POST /v1/posts/{id}:publish /v1/posts/42:publish
+ POST /v1/posts/{id} /v1/posts/42
+ GET /v1/posts/{id} /v1/posts/42
+ DELETE /v1/posts/{id} /v1/posts/42
+ GET /v1/posts/{id}/comments /v1/posts/42/comments
+ GET /v1/posts/{id}/comments/{comment} /v1/posts/42/comments/7
  GET /v1/users/me /v1/users/me
  GET /v1/users/me/Keys /v1/users/me/Keys
+ GET /v1/users/{id} /v1/users/ada
  GET /v1/analytics/skill /v1/analytics/skill
  GET /v1/analytics/* /v1/analytics/week/12
  POST /v1/ai/* /v1/ai/text
  PUT /v1/settings/ /v1/settings/
  GET /v1/reports/{id}.csv /v1/reports/7.csv
+ GET /v1/reports/{id} /v1/reports/7
  GET /v1/compare/{base}...{head} /v1/compare/main...next
+ GET /v1/compare/{base} /v1/compare/main
+ GET /v1/{kind}/me /v1/groups/me
+ GET /v1/{kind}/@all /v1/groups/@all
  GET /files/Report.pdf /files/Report.pdf
+ GET /files/{name} /files/a.txt
+ GET /admin /admin
  DELETE /admin/* /admin/users
`) {
		if f := strings.Fields(strings.TrimLeft(line, "+-")); len(f) == 3 {
			routes = append(routes, mappedRoute{f[0] + " " + f[1], f[0], f[1], f[2], line[0] == '+', line[0] == '-'})
		}
	}
	return routes
}()

func scopeOf(i int) string { return fmt.Sprintf("route%d:use", i) }

// door is one config of the gateway, in front of each backend.
type door struct {
	name   string
	addrs  []string // by the backend, each "127.0.0.1:34567"
	open   string   // in front of none: all that passes is answered
	denied map[string]bool
}

// startBeforeReaders puts the gateway in front of each backend, on ports of its
// own: once with all routes written in the Caddyfile, and once with half of them
// in a document and one denied.
func startBeforeReaders(t *testing.T, readers []reader) (*gateway, []door) {
	t.Helper()
	var config strings.Builder
	config.WriteString("{\n\tkeygate {\n\t\tstore bbolt ./data/keygate.db\n\t}\n}\n(written) {\n\tkeygate {\n")
	for i, r := range mapped {
		fmt.Fprintf(&config, "\t\tscope %s %s %s\n", scopeOf(i), r.Method, r.Pattern)
	}
	config.WriteString("\t}\n}\n(imported) {\n\tkeygate {\n\t\topenapi ./api.json {\n\t\t\tscheme key\n\t\t}\n")
	denied := make(map[string]bool)
	var operations []*madeOperation
	for i, r := range mapped {
		switch {
		case r.Imported:
			operations = append(operations, &madeOperation{method: r.Method, path: r.Pattern, security: `[{"key": ["` + scopeOf(i) + `"]}]`})
		case r.Denied:
			denied[r.Name] = true
			fmt.Fprintf(&config, "\t\tdeny %s %s\n", r.Method, r.Pattern)
		default:
			fmt.Fprintf(&config, "\t\tscope %s %s %s\n", scopeOf(i), r.Method, r.Pattern)
		}
	}
	config.WriteString("\t}\n}\n")
	doors := []door{{name: "written"}, {name: "imported", denied: denied}}
	for i := range doors {
		d := &doors[i]
		site := func(handler string) string {
			port := freePort(t)
			fmt.Fprintf(&config, "http://:%s {\n\timport %s\n\t%s\n}\n", port, d.name, handler)
			return "127.0.0.1:" + port
		}
		for _, r := range readers {
			d.addrs = append(d.addrs, site("reverse_proxy "+r.addr))
		}
		d.open = site("respond passed")
	}
	return startCaddyWith(t, config.String(), map[string][]byte{"api.json": documentOf(t, operations)}), doors
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
// route, must not pass without the scope of that one, by no door.
func TestBackendsServeWhatWasAuthorised(t *testing.T) {
	readers := startReaders(t)
	g, doors := startBeforeReaders(t, readers)
	keys := newKeyring(t, g)
	requests := allRequests()
	if len(requests) < 10_000 {
		t.Fatalf("only %d requests", len(requests))
	}
	judge := &judge{doors: doors, keys: keys, passes: through(t, doors, keys, requests)}
	var passed []request
	for _, r := range requests {
		if len(judge.passes[r]) > 0 {
			passed = append(passed, r)
		}
	}
	t.Logf("%d of %d requests pass with all scopes", len(passed), len(requests))
	for i := range readers {
		t.Run(readers[i].name, func(t *testing.T) {
			readers[i].check(t, i, doors, keys)
			var failures failureLog
			var served atomic.Int64
			each(passed, func(l lines, n int, r *request) {
				ok, err := judge.try(l, i, n, r)
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

// lines are connections of one goroutine, by address.
type lines map[string]*rawConn

func (l lines) to(addr string) *rawConn {
	if l[addr] == nil {
		l[addr] = &rawConn{addr: addr}
	}
	return l[addr]
}

// each calls f with every request and its number, a few at a time.
func each(requests []request, f func(l lines, n int, r *request)) {
	const workers = 4
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			l := make(lines)
			defer func() {
				for _, conn := range l {
					conn.close()
				}
			}()
			for n := int(next.Add(1)) - 1; n < len(requests); n = int(next.Add(1)) - 1 {
				f(l, n, &requests[n])
			}
		})
	}
	wg.Wait()
}

// through returns the doors that each request passes with all scopes. The others
// reach no backend, so they are tried once for all of them.
func through(t *testing.T, doors []door, keys keyring, requests []request) map[request][]*door {
	t.Helper()
	var mu sync.Mutex
	passes := make(map[request][]*door)
	var failures failureLog
	each(requests, func(l lines, _ int, r *request) {
		for i := range doors {
			d := &doors[i]
			a, err := l.to(d.open).send(r.bytes(keys.all), r.method)
			if err != nil {
				failures.add(t, fmt.Errorf("sent %q: %w", r.bytes("KEY"), err))
			}
			if a.view == "passed" || r.method == http.MethodHead && a.status == http.StatusOK {
				mu.Lock()
				passes[*r] = append(passes[*r], d)
				mu.Unlock()
			}
		}
	})
	return passes
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

// judge knows which requests pass, and finds out which do not.
type judge struct {
	doors  []door
	keys   keyring
	passes map[request][]*door
	known  sync.Map // errors, by what was asked: nil where a door is closed as it should be
}

type question struct {
	door  *door
	r     request
	route string
}

// try sends a request to a backend and reports whether it was served as some
// route, or several by different readers, and what is wrong with that. What a backend gets is the same by every
// door, so that it is sent by one that it passes, in turn.
func (j *judge) try(l lines, reader, n int, r *request) (served bool, err error) {
	doors := j.passes[*r]
	sent := r.bytes("KEY")
	a, err := l.to(doors[n%len(doors)].addrs[reader]).send(r.bytes(j.keys.all), r.method)
	if err != nil {
		return false, fmt.Errorf("sent %q: %w", sent, err)
	}
	if a.served == "" {
		return false, nil
	}
	for name := range strings.SplitSeq(a.served, ", ") {
		if err := j.judge(l, doors, r, name); err != nil {
			return true, fmt.Errorf("served as %s: %w\nsent %q\nthe backend saw %q", name, err, sent, a.view)
		}
	}
	return true, nil
}

// judge returns nil if every door that a request passes is closed to it without
// the scope of a route.
func (j *judge) judge(l lines, doors []*door, r *request, route string) error {
	if j.keys.but[route] == "" {
		route = strings.Replace(route, "HEAD ", "GET ", 1)
	}
	if j.keys.but[route] == "" {
		return errors.New("which no route maps")
	}
	for _, d := range doors {
		if err := j.closed(l, question{d, *r, route}); err != nil {
			return fmt.Errorf("by the door %q: %w", d.name, err)
		}
	}
	return nil
}

// closed returns nil if a door refuses the request to a key that has all scopes
// but that of the route. Backends that agree on the route ask once.
func (j *judge) closed(l lines, q question) error {
	if q.door.denied[q.route] {
		return errors.New("which is denied")
	}
	if err, ok := j.known.Load(q); ok {
		err, _ := err.(error)
		return err
	}
	a, err := l.to(q.door.open).send(q.r.bytes(j.keys.but[q.route]), q.r.method)
	if err == nil && a.status != http.StatusForbidden {
		err = fmt.Errorf("answered %d with a key that lacks its scope, want 403", a.status)
	}
	j.known.Store(q, err)
	return err
}

// check makes sure that the backend serves what it should, through each door,
// and that it is as peculiar as its kind is.
func (rd *reader) check(t *testing.T, reader int, doors []door, keys keyring) {
	t.Helper()
	for _, d := range doors {
		conn := &rawConn{addr: d.addrs[reader]}
		defer conn.close()
		for _, r := range mapped {
			want := r.Name
			if d.denied[want] {
				want = ""
			}
			own := request{method: r.Method, target: r.Example}
			a, err := conn.send(own.bytes(keys.all), r.Method)
			if err != nil || a.served != want {
				t.Errorf("%s is served as %q, want %q (door %q, status %d, %v): %s", r.Name, a.served, want, d.name, a.status, err, a.view)
			}
		}
	}
	direct := &rawConn{addr: rd.addr}
	defer direct.close()
	odd := request{method: "GET", target: rd.peculiar}
	if a, err := direct.send(odd.bytes("none"), odd.method); err != nil || a.served != rd.servedAs {
		t.Errorf("without the gateway %s is served as %q, want %s (%v): %s", rd.peculiar, a.served, rd.servedAs, err, a.view)
	}
}
