package console

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// serverOf returns the API of a config with one handler for each table.
func serverOf(tables ...*access.Table) *adminapi.Server {
	var mappings []adminapi.Mapping
	for _, table := range tables {
		mappings = append(mappings, adminapi.Mapping{Policy: access.Policy{Brand: "patra", Table: table}})
	}
	return adminapi.New(adminapi.Options{Store: unlimited{}, Brand: "patra", Mappings: mappings, WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 70}})
}

// unlimited is a store that knows no limits of workspaces, and nothing else.
type unlimited struct{ keystore.Store }

func (unlimited) WorkspaceLimits(string) (apikey.WorkspaceLimits, bool) {
	return apikey.WorkspaceLimits{}, false
}

func tableOf(t *testing.T, routes ...access.Route) *access.Table {
	t.Helper()
	table, err := access.NewTable(routes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// route returns one as "GET,PUT /v1/posts" with what it needs, or anybody with a key
// for nothing.
func route(text string, scopes ...[]string) access.Route {
	methods, pattern, _ := strings.Cut(text, " ")
	r := access.Route{Methods: strings.Split(methods, ","), Pattern: pattern, Scopes: scopes}
	if len(scopes) == 0 {
		r.Access = access.Authenticated
	}
	return r
}

func recordOf(scopes ...string) *apikey.Record {
	return &apikey.Record{Workspace: "acme", Scopes: scopes, Limits: apikey.Limits{PerMinute: 60, PerDay: 10_000, Burst: 60}}
}

// The example is the best request that the key may make: one that only reads, and
// needs the name of nothing.
func TestExampleOf(t *testing.T) {
	read, write, approve := []string{"posts:read"}, []string{"posts:write"}, []string{"posts:approve"}
	for name, c := range map[string]struct {
		routes []access.Route
		held   string
		want   string
	}{
		"without a name first":       {[]access.Route{route("GET /v1/posts/{id}", read), route("GET /v1/posts", read)}, "posts:read", "GET /v1/posts"},
		"reading first":              {[]access.Route{route("POST /v1/posts", write), route("GET /v1/posts/{id}", write)}, "posts:write", "GET /v1/posts/1"},
		"the safe of several":        {[]access.Route{route("PUT,QUERY,DELETE /v1/posts", write)}, "posts:write", "QUERY /v1/posts"},
		"what deletes comes last":    {[]access.Route{route("DELETE /v1/posts", write), route("PATCH /v1/posts/{id}", write)}, "posts:write", "PATCH /v1/posts/1"},
		"any method":                 {[]access.Route{route("* /v1/posts", read)}, "posts:read", "GET /v1/posts"},
		"any other method":           {[]access.Route{route("* /v1/posts", write), route("GET,HEAD,QUERY,OPTIONS /v1/posts", read)}, "posts:write", "POST /v1/posts"},
		"text after a name":          {[]access.Route{route("POST /v1/posts/{id}:cancel", write)}, "posts:write", "POST /v1/posts/1:cancel"},
		"a format":                   {[]access.Route{route("GET /v1/reports/{id}.csv", read)}, "posts:read", "GET /v1/reports/1.csv"},
		"text between names":         {[]access.Route{route("GET /v1/compare/{base}...{head}", read)}, "posts:read", "GET /v1/compare/1...1"},
		"the rest":                   {[]access.Route{route("GET /v1/media/*", read)}, "posts:read", "GET /v1/media/1"},
		"a slash at the end":         {[]access.Route{route("GET /v1/{id}/", read)}, "posts:read", "GET /v1/1/"},
		"the root":                   {[]access.Route{route("GET /", read)}, "posts:read", "GET /"},
		"an alternative":             {[]access.Route{route("GET /v1/posts", write, approve)}, "posts:approve", "GET /v1/posts"},
		"half of what is needed":     {[]access.Route{route("GET /v1/posts", append(read, write...), approve)}, "posts:read", ""},
		"any key":                    {[]access.Route{route("GET /v1/me")}, "other:scope", "GET /v1/me"},
		"another route has the name": {[]access.Route{route("GET /v1/posts/{id}", read), route("GET /v1/posts/1", write)}, "posts:read", "GET /v1/posts/2"},
		"a closed route has it":      {[]access.Route{route("GET /v1/posts/{id}", read), {Methods: []string{"*"}, Pattern: "/v1/posts/1", Access: access.Denied}}, "posts:read", "GET /v1/posts/2"},
		"nothing but public":         {[]access.Route{{Methods: []string{"GET"}, Pattern: "/v1/status", Access: access.Public}}, "posts:read", ""},
		"nothing":                    {[]access.Route{route("GET /v1/posts", read)}, "posts:write", ""},
		"what costs less":            {[]access.Route{{Methods: []string{"GET"}, Pattern: "/a", Access: access.Authenticated, Cost: 60}, {Methods: []string{"GET"}, Pattern: "/b", Access: access.Authenticated, Cost: 2}}, "posts:read", "GET /b"},
		"what costs too much":        {[]access.Route{{Methods: []string{"GET"}, Pattern: "/a", Access: access.Authenticated, Cost: 61}}, "posts:read", ""},
		"no WebSocket":               {[]access.Route{{Methods: []string{"GET"}, Pattern: "/a", Access: access.Authenticated, WebSocket: true}, route("GET /b/{id}")}, "posts:read", "GET /b/1"},
		"what another route takes":   {[]access.Route{{Methods: []string{"GET"}, Pattern: "/v1/{id}", Access: access.Authenticated, Imported: true}, route("GET /v1/{id}", write)}, "posts:read", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if request, ok := exampleOf(serverOf(tableOf(t, c.routes...)), recordOf(strings.Fields(c.held)...)); ok {
				got = request.method + " " + request.path
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	t.Run("what costs too much for the workspace", func(t *testing.T) {
		k, table := recordOf("posts:read"), tableOf(t, access.Route{Methods: []string{"GET"}, Pattern: "/a", Access: access.Authenticated, Cost: 71})
		k.Limits.PerMinute, k.Limits.Burst = 100, 100
		if got, ok := exampleOf(serverOf(table), k); ok {
			t.Errorf("%+v", got)
		}
	})
	t.Run("of several handlers the first that has the path decides", func(t *testing.T) {
		first, second := tableOf(t, route("GET /v1/posts/{id}", write)), tableOf(t, route("GET /v1/{kind}/{id}", read), route("GET /v1/posts/{id}", read))
		if got, ok := exampleOf(serverOf(first, second), recordOf("posts:read")); !ok || got.path != "/v1/1/1" {
			t.Errorf("%+v", got)
		}
	})
}

// randomRoute returns a route of any kind that a config may have.
func randomRoute(r *rand.Rand) access.Route {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	pattern := ""
	for range r.IntN(3) + 1 {
		name := fmt.Sprintf("n%d", r.IntN(1000))
		pattern += "/" + one("v1", "posts", "1", "2", "Example", "x", "it's", "$HOME&(a)", "{"+name+"}", "{"+name+"}", "{"+name+"}:cancel", "{"+name+"}.csv", "v{"+name+"}", "{"+name+"}1", "{"+name+"}...{m"+name+"}", "{"+name+"}-{m"+name+"}.json")
	}
	pattern += one("", "", "", "/", "/*")
	to := access.Route{Pattern: pattern, Methods: []string{one("*", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")}, Cost: r.IntN(80), Imported: r.IntN(4) == 0}
	if other := one("GET", "POST", "QUERY"); to.Methods[0] != "*" && to.Methods[0] != other {
		to.Methods = append(to.Methods, other)
	}
	switch r.IntN(8) {
	case 0:
		to.Access, to.Cost = access.Denied, 0
	case 1:
		to.Access = access.Public
	case 2:
		to.Access = access.Authenticated
	default:
		for range r.IntN(3) + 1 {
			set := strings.Fields(one("a:a", "b:b", "c:c", "a:a b:b", "b:b c:c", "a:a c:c"))
			if !slices.ContainsFunc(to.Scopes, func(other []string) bool { return slices.Equal(other, set) }) {
				to.Scopes = append(to.Scopes, set)
			}
		}
	}
	to.WebSocket = to.Access != access.Denied && r.IntN(5) == 0 && (to.Methods[0] == "*" || slices.Contains(to.Methods, "GET"))
	return to
}

// randomTable returns one of several routes; routes that clash are left out.
func randomTable(r *rand.Rand) (*access.Table, []access.Route) {
	for {
		var routes []access.Route
		for range r.IntN(8) + 1 {
			if with := append(slices.Clone(routes), randomRoute(r)); tableOrNil(with) != nil || routes == nil {
				routes = with
			}
		}
		if table := tableOrNil(routes); table != nil {
			return table, table.Routes()
		}
	}
}

func tableOrNil(routes []access.Route) *access.Table {
	table, err := access.NewTable(routes)
	if err != nil {
		return nil
	}
	return table
}

// Whatever the routes and the scopes: the example is a request that the gateway lets in
// with this key and not without one. A safe one is found where one without a name is
// open, and one is found wherever a path without a name is open.
func TestExamplesPass(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	isSafe := func(method string) bool { return slices.Contains([]string{"GET", "HEAD", "OPTIONS", "QUERY"}, method) }
	shown, none := 0, 0
	for range 1500 {
		table, routes := randomTable(r)
		policy := access.Policy{Brand: "patra", Table: table}
		for _, held := range []string{"a:a", "b:b", "c:c", "a:a b:b", "b:b c:c", "a:a c:c", "a:a b:b c:c", "d:d"} {
			k := recordOf(strings.Fields(held)...)
			set := apikey.NewScopeSet(k.Scopes)
			open := func(route *access.Route) bool {
				return route != nil && (route.Access == access.Scoped || route.Access == access.Authenticated) && route.Scopes.HeldBy(set) && route.Cost <= 60
			}
			anyIs, safeIs := false, false // open, at a path without a name
			for i := range routes {
				for method := range strings.SplitSeq(access.RequestMethods, ", ") {
					if p := routes[i].Pattern; !strings.ContainsAny(p, "{*") && open(table.Match(method, p)) {
						anyIs, safeIs = true, safeIs || isSafe(method)
					}
				}
			}
			got, ok := exampleOf(serverOf(table), k)
			if !ok {
				if none++; anyIs {
					t.Fatalf("%s: no example with %+v", held, routes)
				}
				continue
			}
			shown++
			e := policy.Explain(&access.Request{Method: got.method, Path: got.path}, &access.Identified{Grant: apikey.Grant{Scopes: set}})
			if e.Reason() != access.Allowed || !open(e.Route) || access.CheckPath(got.path) != "" {
				t.Fatalf("%s: %+v is %v with %+v", held, got, e.Reason(), routes)
			}
			if safeIs && !isSafe(got.method) {
				t.Errorf("%s: %+v is not safe with %+v", held, got, routes)
			}
		}
	}
	if shown < 2000 || none < 500 {
		t.Errorf("%d examples, and %d keys without one", shown, none)
	}
}

// A key that is bound to origins gets an example that sends one of them.
func TestExampleOrigins(t *testing.T) {
	server := serverOf(tableOf(t, route("GET /v1/me")))
	for allowed, want := range map[string]string{
		"": "", "https://shop.example": "https://shop.example", "https://*.shop.example:8443 https://b.example": "https://www.shop.example:8443",
		"capacitor://localhost": "capacitor://localhost", "app://.": "app://.", "http://[2001:db8::7]:81": "http://[2001:db8::7]:81",
	} {
		k := recordOf("posts:read")
		k.AllowedOrigins = strings.Fields(allowed)
		got, ok := exampleOf(server, k)
		if !ok || got.origin != want {
			t.Errorf("%s: %+v", allowed, got)
		}
		if allowed == "" {
			continue
		}
		if o, err := apikey.ParseOrigin(k.AllowedOrigins[0]); err != nil || !o.Matches(got.origin) {
			t.Errorf("%s does not allow %s: %v", allowed, got.origin, err)
		}
	}
}

// The example is the same request in each language.
func TestExamples(t *testing.T) {
	for name, c := range map[string]struct {
		request request
		curl    string
		all     []string // in each language
	}{
		"plain":   {request{"GET", "/v1/posts", ""}, "curl https://api.example/v1/posts \\\n  -H 'Authorization: Bearer TOKEN'", nil},
		"method":  {request{"POST", "/v1/posts/1:cancel", ""}, "curl -X POST https://api.example/v1/posts/1:cancel \\\n  -H 'Authorization: Bearer TOKEN'", []string{"POST"}},
		"HEAD":    {request{"HEAD", "/v1/posts", ""}, "curl -I https://api.example/v1/posts \\\n  -H 'Authorization: Bearer TOKEN'", nil},
		"special": {request{"GET", "/$HOME&(it's)", ""}, "curl 'https://api.example/$HOME&(it'\\''s)' \\\n  -H 'Authorization: Bearer TOKEN'", nil},
		"origin":  {request{"GET", "/v1/posts", "https://www.shop.example"}, "curl https://api.example/v1/posts \\\n  -H 'Origin: https://www.shop.example' \\\n  -H 'Authorization: Bearer TOKEN'", []string{"Origin", "https://www.shop.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			list := c.request.examples("https://api.example", "TOKEN")
			if len(list) != 3 || list[0].Code != c.curl {
				t.Fatalf("%s", list[0].Code)
			}
			for _, e := range list {
				for _, text := range append(c.all, "Bearer TOKEN") {
					if !strings.Contains(e.Code, text) {
						t.Errorf("%s has no %s: %s", e.Name, text, e.Code)
					}
				}
				if e.Name != "curl" && !strings.Contains(e.Code, fmt.Sprintf("%q", "https://api.example"+c.request.path)) {
					t.Errorf("%s: %s", e.Name, e.Code)
				}
			}
		})
	}
}

// The page with a new token has the example, or says why it has none.
func TestExampleOnThePage(t *testing.T) {
	s := newSite(t)
	form := typedForm("step", "create", "allowed_origins", "https://*.shop.example", "allowed_ips", "203.0.113.7")
	s.post("/new", form).want(http.StatusOK, "curl https://api.example/v1/posts ", "Origin: https://www.shop.example", "only from the addresses").lacks("There is no example request")
	none := s.post("/new", typedForm("step", "create", "scopes", "queue:read", "nonce", newNonce())).want(http.StatusOK, "There is no example request: no path here is open to this key.").lacks("curl", "api.example")
	checkDocument(t, none)
	s.only(adminapi.VerbCreate) // who may ask nothing else
	s.post("/new", typedForm("step", "create", "nonce", newNonce())).want(http.StatusOK, "curl https://api.example/v1/posts ").lacks("only from the addresses")
}
