package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	_ "github.com/caddyserver/caddy/v2/modules/standard"       // what the random configs have
	_ "github.com/socialpatra/keygate/caddymodule/selfservice" // Caddyfiles of other tests have its directive
)

// probe stands for keygate_console in a Caddy that runs: it notes what comes out
// of its workspace for requests below its base.
type probe struct {
	Base      string `json:"base"`
	Workspace string `json:"workspace"`
	Actor     string `json:"actor"`
}

var probed struct {
	sync.Mutex
	workspaces []string
}

func (probe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.keygate_probe", New: func() caddy.Module { return new(probe) }}
}

func (p *probe) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if rest, ok := strings.CutPrefix(r.URL.Path, p.Base); !ok || rest != "" && rest[0] != '/' {
		return next.ServeHTTP(w, r)
	}
	probed.Lock()
	defer probed.Unlock()
	probed.workspaces = append(probed.workspaces, r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll(p.Workspace, ""))
	return nil
}

// signIn is an authentication that goes by the query, which no handler here
// changes.
type signIn struct{}

func (signIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.keygate_test", New: func() caddy.Module { return new(signIn) }}
}

func (signIn) Authenticate(_ http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	return caddyauth.User{ID: "ada"}, strings.Contains(r.URL.RawQuery, "auth=1"), nil
}

func init() {
	caddy.RegisterModule(probe{})
	caddy.RegisterModule(signIn{})
}

// configMaker makes routes at random with one console in them.
type configMaker struct {
	*rand.Rand
	exact   bool   // only what is followed without any loss
	service string // asked by forward_auth
	console string // its workspace; "" once it is placed
	named   bool   // there is a route to invoke
	groups  int
}

type object = map[string]any

func (m *configMaker) one(choices ...func() object) object { return choices[m.IntN(len(choices))]() }

func (m *configMaker) match() []any {
	query := func() object { return object{"query": object{fmt.Sprint("m", m.IntN(3)): []any{"1"}}} }
	path := func(patterns ...any) object { return object{"path": patterns} }
	all := []func() object{
		query, query, query,
		func() object { return object{"not": []any{query()}} },
		func() object { return path("/base*") },
		func() object { return path("/other*", "/BASE", "/Base/*") },
		func() object { return path("/else/*", "/bas") },
		func() object { return object{"not": []any{path("/base*")}} },
		func() object { return object{"not": []any{path("/els*")}} },
	}
	if !m.exact {
		all = append(all,
			func() object { return path("/base/*") },
			func() object { return path("/base") },
			func() object { return path("/base/x", "/base/api*") },
			func() object { return path("*/keys") },
			func() object { return object{"not": []any{path("/base/x")}} },
			func() object {
				set := query()
				set["path"] = []any{"/base*"}
				return set
			},
			func() object { return object{"not": []any{query(), path("/base/x")}} },
			func() object { return object{"header": object{"X-W": []any{"*client*"}}} },
		)
	}
	sets := []any{m.one(all...)}
	if !m.exact && m.IntN(4) == 0 {
		sets = append(sets, m.one(all...))
	}
	return sets
}

func (m *configMaker) handler(depth int) object {
	headers := func(ops object) func() object {
		return func() object { return object{"handler": "headers", "request": ops} }
	}
	set := func(header, value string) func() object {
		return headers(object{"set": object{header: []any{value}}})
	}
	all := []func() object{
		set("X-W", "ours"), set("X-W", "ours"), set("X-V", "ours"),
		set("X-W", "{http.request.header.X-V}"), set("X-V", "{http.request.header.X-W}"),
		set("X-W", "{http.vars.v}"), set("x-w", "{http.request.uri.query.q}"), set("X-W", "a{mapped}"),
		headers(object{"delete": []any{"X-W"}}), headers(object{"delete": []any{"x-*"}}), headers(object{"delete": []any{"*"}}),
		headers(object{"add": object{"X-W": []any{"ours"}}}), headers(object{"delete": []any{"X-W"}, "add": object{"X-W": []any{"{http.request.header.X-V}"}}}),
		headers(object{"delete": []any{"*"}, "add": object{"X-W": []any{"ours"}}}),
		func() object { return object{"handler": "vars", "v": "{http.request.header.X-W}"} },
		func() object { return object{"handler": "vars", "v": "ours"} },
		func() object {
			return object{"handler": "authentication", "providers": object{"keygate_test": object{}}}
		},
		func() object { return m.forwardAuth(2) },
		func() object { return object{"handler": "encode"} },
	}
	if depth > 0 {
		for range 8 {
			all = append(all, func() object { return object{"handler": "subroute", "routes": m.routes(depth - 1)} })
		}
	}
	if m.IntN(12) == 0 {
		all = append(all, func() object { return object{"handler": "static_response", "status_code": 200} })
	}
	if m.named && m.IntN(6) == 0 {
		all = append(all, func() object { return object{"handler": "invoke", "name": "n"} })
	}
	if !m.exact {
		all = append(all,
			func() object { return m.forwardAuth(0) },
			func() object { return object{"handler": "rewrite", "strip_path_prefix": "/outer"} },
			func() object { return object{"handler": "error", "status_code": 500} },
			func() object {
				return object{"handler": "subroute", "routes": m.routes(0), "errors": object{"routes": m.routes(0)}}
			},
			func() object {
				return object{"handler": "map", "source": "{http.request.header.X-W}", "destinations": []any{"{mapped}"}, "mappings": []any{object{"input_regexp": "(client)", "outputs": []any{"${1}"}}}}
			},
		)
	}
	return m.one(all...)
}

// forwardAuth is what the directive adapts to, for one header. With class 0 any
// answer is good.
func (m *configMaker) forwardAuth(class int) object {
	response := object{"routes": []any{
		object{"handle": []any{object{"handler": "vars"}}},
		object{"handle": []any{object{"handler": "headers", "request": object{"delete": []any{"X-W"}}}}},
		object{
			"match":  []any{object{"not": []any{object{"vars": object{"{http.reverse_proxy.header.X-W}": []any{""}}}}}},
			"handle": []any{object{"handler": "headers", "request": object{"set": object{"X-W": []any{"{http.reverse_proxy.header.X-W}"}}}}},
		},
	}}
	if class > 0 {
		response["match"] = object{"status_code": []any{class}}
	}
	return object{
		"handler": "reverse_proxy", "rewrite": object{"method": "GET", "uri": "/session"}, "upstreams": []any{object{"dial": m.service}},
		"headers":         object{"request": object{"set": object{"X-Forwarded-Uri": []any{"{http.request.uri}"}}}},
		"handle_response": []any{response},
	}
}

func (m *configMaker) routes(depth int) (routes []any) {
	group := ""
	if m.IntN(3) == 0 {
		m.groups++
		group = fmt.Sprint("g", m.groups)
	}
	n := 1 + m.IntN(4)
	for i := range n {
		route := object{}
		if m.IntN(2) == 0 {
			route["match"] = m.match()
		}
		if group != "" && m.IntN(2) == 0 {
			route["group"] = group
		}
		if m.IntN(12) == 0 {
			route["terminal"] = true
		}
		var handle []any
		for range 1 + m.IntN(2) {
			handle = append(handle, m.handler(depth))
		}
		if m.console != "" && (depth == 0 && m.IntN(5) == 0 || depth == 2 && i == n-1) {
			handle = append(handle, object{"handler": "keygate_console", "base": "/base", "workspace": m.console, "actor": "ada"})
			m.console = ""
		}
		route["handle"] = handle
		routes = append(routes, route)
	}
	return routes
}

// what a request comes to be at the console, from a Caddy that runs or from lint.
type comes struct{ forged, unsigned, reached bool }

// try runs a config and sends every request that its matchers can tell apart.
func try(t *testing.T, server object, socket string) (got comes) {
	t.Helper()
	text, err := json.Marshal(object{
		"admin":   object{"disabled": true},
		"logging": object{"logs": object{"default": object{"writer": object{"output": "discard"}}}},
		"apps":    object{"http": object{"servers": object{"s": server}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "keygate_console", "keygate_probe")), &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Run(&config); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	for bits := range 1 << 5 {
		var query strings.Builder
		for i, name := range []string{"m0", "m1", "m2", "auth", "who"} {
			fmt.Fprintf(&query, "&%s=%d", name, bits>>i&1)
		}
		for _, path := range []string{"/base", "/base/api/keys", "/base/x", "/outer/base/api/keys"} {
			probed.workspaces = nil
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://site"+path+"?q=client"+query.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-W", "client")
			r.Header.Set("X-V", "client")
			resp, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			for _, workspace := range probed.workspaces {
				signedIn := strings.Contains(query.String(), "auth=1")
				got.reached = true
				got.forged = got.forged || strings.Contains(workspace, "client")
				got.unsigned = got.unsigned || !signedIn
			}
		}
	}
	return got
}

// What lint says of a console is what comes to it in a Caddy that runs: never less,
// and never more where all is of the forms that are followed without loss.
func TestConsolesAreAsCaddyRunsThem(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri := r.Header.Get("X-Forwarded-Uri")
		if strings.Contains(uri, "who=1") {
			w.Header().Set("X-W", "theirs")
		}
		if !strings.Contains(uri, "auth=1") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer service.Close()
	defer func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	seen := make(map[string]int)
	for n := range 200 {
		socket := filepath.Join(dir, fmt.Sprint(n)) // Caddy shares one between configs
		m := &configMaker{Rand: rand.New(rand.NewPCG(20, uint64(n))), exact: n%2 == 0, service: service.Listener.Addr().String()}
		workspaces := []string{"{http.request.header.X-W}", "{http.request.header.X-W}", "{http.request.header.x-w}", "{http.vars.v}", "{mapped}", "a-{http.request.header.X-V}"}
		m.console = workspaces[m.IntN(len(workspaces))]
		named := m.console
		m.console = "" // not in the named route
		invoked := m.routes(0)
		m.console, m.named = named, true
		server := object{"listen": []any{"unix/" + socket}, "named_routes": object{"n": object{"handle": []any{object{"handler": "subroute", "routes": invoked}}}}}
		if !m.exact && m.IntN(5) == 0 {
			server["routes"] = m.routes(1)
			server["errors"] = object{"routes": m.routes(2)}
		} else {
			server["routes"] = m.routes(2)
		}
		want := try(t, server, socket)
		encoded, _ := json.Marshal(object{"apps": object{"http": object{"servers": object{"s": server}}}}) // as it was run
		var tree any
		if err := json.Unmarshal(encoded, &tree); err != nil {
			t.Fatal(err)
		}
		found := findConsoles(tree)
		if len(found) != 1 {
			t.Fatalf("%d consoles in %s", len(found), encoded)
		}
		c := found[0]
		got := comes{len(c.Chosen) > 0, c.NoSignIn, !strings.HasPrefix(c.Refuses, "no request comes")}
		if want.forged && !got.forged || want.unsigned && !got.unsigned || want.reached && !got.reached || m.exact && got != want {
			t.Errorf("config %d: lint says %+v, Caddy does %+v in %s", n, got, want, encoded)
		}
		seen[fmt.Sprintf("%t %+v", m.exact, want)]++
	}
	t.Log(seen)
	if len(seen) < 8 {
		t.Errorf("the configs are too much alike: %v", seen)
	}
}
