package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func mustTable(t testing.TB, routes ...Route) *Table {
	t.Helper()
	table, err := NewTable(routes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// parseRoutes reads lines such as "GET,POST /v1/posts" as authenticated routes.
func parseRoutes(lines string) []Route {
	var routes []Route
	for line := range strings.Lines(lines) {
		methods, pattern, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok {
			routes = append(routes, Route{Methods: strings.Split(methods, ","), Pattern: pattern, Access: Authenticated})
		}
	}
	return routes
}

func TestNewTableRefuses(t *testing.T) {
	get := func(pattern string) Route {
		return Route{Methods: []string{"GET"}, Pattern: pattern, Access: Public, Source: "Caddyfile:3"}
	}
	with := func(change func(*Route)) Route {
		r := Route{Methods: []string{"GET"}, Pattern: "/a", Scopes: AllOf("posts:read")}
		change(&r)
		return r
	}
	for name, test := range map[string]struct {
		route Route
		want  string // in the error
	}{
		"pattern: empty":                 {get(""), `pattern "" does not start with a slash`},
		"pattern: relative":              {get("a/b"), `Caddyfile:3: pattern "a/b" does not start with a slash`},
		"pattern: empty segment":         {get("/a//b"), "empty segment"},
		"pattern: two slashes":           {get("//"), "empty segment"},
		"pattern: two slashes at end":    {get("/a//"), "empty segment"},
		"pattern: dot":                   {get("/a/./b"), ". or .. segment"},
		"pattern: dots":                  {get("/a/.."), ". or .. segment"},
		"pattern: star inside":           {get("/a/*/b"), "* that is not at the end"},
		"pattern: star and slash":        {get("/a/*/"), "* that is not at the end"},
		"pattern: star in a segment":     {get("/a/b*"), "a final * as a whole segment"},
		"pattern: two stars":             {get("/a/**"), "a final * as a whole segment"},
		"pattern: name without end":      {get("/a/{id"), "accepted: {name} of letters, digits, - and _"},
		"pattern: name without start":    {get("/a/id}"), "a final * as a whole segment"},
		"pattern: empty name":            {get("/a/{}"), "accepted: {name} of letters, digits, - and _"},
		"pattern: bad name":              {get("/a/{i d}"), "accepted: {name} of letters, digits, - and _"},
		"pattern: digit first":           {get("/a/{1}"), "accepted: {name} of letters, digits, - and _"},
		"pattern: star for a name":       {get("/a/{*}"), "accepted: {name} of letters, digits, - and _"},
		"pattern: catch-all of ServeMux": {get("/a/{id...}x"), `has the placeholder "{id...}"`},
		"pattern: environment":           {get("/{env.DIR}/a"), `has the placeholder "{env.DIR}", which is not expanded here`},
		"pattern: file":                  {get("/a/{file.name}"), `has the placeholder "{file.name}"`},
		"pattern: dot at the end":        {get("/a/{id.}"), `has the placeholder "{id.}"`},
		"pattern: almost of Caddy":       {get("/a/{httpx.name}"), `has the placeholder "{httpx.name}"`},
		"pattern: two names in a row":    {get("/a/{b}{c}"), `has the segment "{b}{c}", where nothing tells where one name ends`},
		"pattern: name twice in one":     {get("/a/{b}-{b}"), "has {b} twice"},
		"pattern: star beside a name":    {get("/a/{b}*"), "a final * as a whole segment"},
		"pattern: percent beside a name": {get("/a/{b}%20"), "patterns are not percent-encoded"},
		"pattern: colon for a name":      {get("/a/:id"), `has the segment ":id", which would be that very text; accepted for any one segment: {id}`},
		"pattern: colon for another":     {get("/:a.b/c"), "accepted for any one segment: {name}"},
		"pattern: colon before a name":   {get("/a/:{id}"), `has the segment ":{id}"`},
		"pattern: name twice":            {get("/{id}/a/{id}"), "has {id} twice"},
		"pattern: percent":               {get("/a%20b"), "patterns are not percent-encoded"},
		"pattern: query":                 {get("/a?b"), `the segment "a?b"`},
		"pattern: fragment":              {get("/a#b"), `the segment "a#b"`},
		"pattern: semicolon":             {get("/a;b"), `the segment "a;b"`},
		"pattern: backslash":             {get(`/a\b`), `the segment "a\\b"`},
		"pattern: space":                 {get("/a b"), `the segment "a b"`},
		"pattern: control":               {get("/a\x1b]0"), `the segment "a\x1b]0"`},
		"pattern: non-ASCII":             {get("/über"), `the segment "\u00fcber"`},
		"pattern: long segment":          {get("/" + strings.Repeat("a", 256)), "has a segment of 256 bytes"},
		"pattern: long":                  {get(strings.Repeat("/a", 513)), "has 1026 bytes"},
		"method: none":                   {with(func(r *Route) { r.Methods = nil }), "route 2: has no method"},
		"method: empty":                  {with(func(r *Route) { r.Methods = []string{""} }), `method "" is not known`},
		"method: unknown":                {with(func(r *Route) { r.Methods = []string{"FETCH"} }), `method "FETCH" is not known; accepted: GET, HEAD`},
		"method: lower case":             {with(func(r *Route) { r.Methods = []string{"get"} }), `method "get" is not known`},
		"method: CONNECT":                {with(func(r *Route) { r.Methods = []string{"CONNECT"} }), "is not known"},
		"method: TRACE":                  {with(func(r *Route) { r.Methods = []string{"TRACE"} }), "is not known"},
		"method: twice":                  {with(func(r *Route) { r.Methods = []string{"GET", "PUT", "GET"} }), "has the method GET twice"},
		"method: any and another":        {with(func(r *Route) { r.Methods = []string{"GET", "*"} }), "* beside others"},
		"scope: none":                    {with(func(r *Route) { r.Scopes = nil }), "has no scope"},
		"scope: bad":                     {with(func(r *Route) { r.Scopes = AllOf("Posts:read") }), `scopes: "Posts:read" is not a scope`},
		"scope: twice":                   {with(func(r *Route) { r.Scopes = AllOf("a:b", "c:d", "a:b") }), "has the scope a:b twice"},
		"scope: too many":                {with(func(r *Route) { r.Scopes = Scopes{make([]string, 65)} }), "has 65 scopes"},
		"scope: of a public route":       {with(func(r *Route) { r.Access = Public }), "is public and has scopes"},
		"scope: without need":            {with(func(r *Route) { r.Access = Authenticated }), "is authenticated and has scopes"},
		"access: unknown":                {with(func(r *Route) { r.Access = "private" }), `access "private" is not known`},
		"cost: negative":                 {with(func(r *Route) { r.Cost = -1 }), "cost -1 is out of range; accepted: 1 to 1000"},
		"cost: too high":                 {with(func(r *Route) { r.Cost = 1001 }), "cost 1001 is out of range"},
		"deny: scopes":                   {with(func(r *Route) { r.Access = Denied }), "is denied, and has scopes"},
		"deny: cost":                     {with(func(r *Route) { r.Access, r.Scopes, r.Cost = Denied, nil, 2 }), "is denied, and has scopes, a cost"},
		"deny: websocket":                {with(func(r *Route) { r.Access, r.Scopes, r.WebSocket = Denied, nil, true }), "is denied, and has"},
		"websocket: POST":                {with(func(r *Route) { r.Methods, r.WebSocket = []string{"POST"}, true }), "websocket needs the method GET"},
		"websocket: HEAD":                {with(func(r *Route) { r.Methods, r.WebSocket = []string{"HEAD"}, true }), "websocket needs the method GET"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewTable([]Route{{Methods: []string{"POST"}, Pattern: "/open", Access: Public}, test.route})
			if e, ok := errors.AsType[*RouteError](err); !ok || !strings.Contains(e.Error(), test.want) || strings.Contains(e.Error(), "\n") {
				t.Errorf("error %q; want a RouteError with %q", err, test.want)
			}
		})
	}
}

// What a document denies has the texts that a request may have, and no others.
func TestDeniedPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"/a%20b": "", "/%C3%A9": "", "/a[0]": "", "/:id": "", "/{id}%20": "", "/a*b": "", "/a+": "", "/" + strings.Repeat("/a", 600)[1:]: "",
		"/a;b":    `pattern "/a;b" has the segment "a;b", which no request may have`,
		"/a%2Fb":  `pattern "/a%2Fb" has the segment "a%2Fb", which no request may have`,
		"/{id};b": `pattern "/{id};b" has the segment "{id};b", which no request may have`,
		"/é":      `pattern "/\u00e9" has the segment "\u00e9", which no request may have`,
		"/...":    `pattern "/..." has a segment of nothing but dots or plus signs, which no request may have`,
		"/+/a":    `pattern "/+/a" has a segment of nothing but dots or plus signs, which no request may have`,
		"/%20":    `pattern "/%20" has a segment of nothing but dots or plus signs, which no request may have`,
		"/../a":   `pattern "/../a" has a . or .. segment, which no request may have`,
		"//a":     `pattern "//a" has an empty segment (//), which no request may have`,
	} {
		r := Route{Methods: []string{"GET"}, Pattern: pattern, Access: Denied, Imported: true}
		got := ""
		if err := r.Check(); err != nil {
			got = err.Problem
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", pattern, got, want)
		}
	}
	for _, r := range []Route{
		{Methods: []string{"GET"}, Pattern: "/...", Access: Public},
		{Methods: []string{"GET"}, Pattern: "/a%20b", Access: Denied},
		{Methods: []string{"GET"}, Pattern: "/a%20b", Access: Public, Imported: true},
		{Methods: []string{"GET"}, Pattern: strings.Repeat("/a", 600), Access: Public, Imported: true},
	} {
		if r.Check() == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
}

func TestNewTableAccepts(t *testing.T) {
	for _, pattern := range []string{
		"/", "/*", "/{id}", "/{id}/", "/a", "/a/", "/a/*", "/A-Z.a~z_0!$&'()+,=:@", "/.well-known", "/...a", "/{post-id}/{http.request.uri.path.file}/{post_id}/{Post1}",
		"/" + strings.Repeat("a", 255), strings.Repeat("/a", 512),
		"/a/{id}.json", "/a/v{id}", "/a/{id}:cancel", "/{base}...{head}", "/@{user}/{repo}.{format}", "/a:b", "/{http.request.uri.path.file}.json",
	} {
		t.Run(pattern, func(t *testing.T) {
			mustTable(t, Route{Methods: []string{"GET"}, Pattern: pattern, Access: Public})
		})
	}
}

func TestEmptyTable(t *testing.T) {
	for _, routes := range [][]Route{nil, {{Methods: []string{"GET"}, Pattern: "/a", Access: Denied}}} {
		if _, err := NewTable(routes); !errors.Is(err, ErrNoRoutes) {
			t.Errorf("NewTable(%v): %v; want ErrNoRoutes", routes, err)
		}
	}
}

func TestConflicts(t *testing.T) {
	for name, test := range map[string]struct {
		routes string
		want   string // "" for no conflict
	}{
		"same":                         {"GET /a\nGET /a", `route 2: GET "/a" is mapped already, by route 1 as "/a"`},
		"names do not matter":          {"GET /b\nGET /a/{id}\nGET /a/{name}", `route 3: GET "/a/{name}" is mapped already, by route 2 as "/a/{id}"`},
		"one of several methods":       {"GET,POST /a\nPUT,POST /a", `route 2: POST "/a"`},
		"any":                          {"* /a\n* /a", `route 2: * "/a"`},
		"star":                         {"GET /a/*\nGET /a/*", `route 2: GET "/a/*"`},
		"root":                         {"GET /\nGET /", `route 2: GET "/"`},
		"slash":                        {"GET /a/\nGET /a/", `route 2: GET "/a/"`},
		"text around a name":           {"GET /{a}.x\nGET /{b}.x", `route 2: GET "/{b}.x" is mapped already, by route 1 as "/{a}.x"`},
		"other text around a name":     {"GET /{a}.x\nGET /{b}.X\nGET /x{b}\nGET /{a}x", ""},
		"other methods":                {"GET /a\nPOST /a", ""},
		"QUERY beside GET":             {"GET /a\nQUERY /a", ""},
		"any beside a method":          {"* /a\nGET /a", ""},
		"HEAD beside GET":              {"GET /a\nHEAD /a", ""},
		"slash and none":               {"GET /a\nGET /a/", ""},
		"other case":                   {"GET /a\nGET /A", ""},
		"literal, name and star":       {"GET /a\nGET /{a}\nGET /*", ""},
		"the same name somewhere else": {"GET /a/{id}\nGET /a/{id}/b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewTable(parseRoutes(test.routes))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v; want %q", err, test.want)
			}
		})
	}
	t.Run("sources", func(t *testing.T) {
		routes := parseRoutes("GET /a\nGET /a")
		routes[0].Source, routes[1].Source = "Caddyfile:12", "Caddyfile:30"
		_, err := NewTable(routes)
		if want := `Caddyfile:30: GET "/a" is mapped already, by Caddyfile:12 as "/a"`; err == nil || err.Error() != want {
			t.Errorf("error %v; want %s", err, want)
		}
	})
}

func TestTableKeepsItsOwnRoutes(t *testing.T) {
	given := []Route{
		{Methods: []string{"POST"}, Pattern: "/a", Scopes: AllOf("posts:write", "media:upload")},
		{Methods: []string{"GET"}, Pattern: "/a", Access: Public, Cost: 5, WebSocket: true, Source: "x:1"},
	}
	table := mustTable(t, given...)
	given[0].Methods[0], given[0].Scopes[0][0], given[0].Cost = "PUT", "x:y", 7
	table.Routes()[0].Cost = 9

	routes := table.Routes()
	if len(routes) != 2 {
		t.Fatalf("%d routes", len(routes))
	}
	if r := routes[0]; r.Methods[0] != "POST" || r.Scopes.String() != "posts:write media:upload" || r.Cost != 1 {
		t.Errorf("the first route is %+v", r)
	}
	if r := routes[1]; r.Cost != 5 || !r.WebSocket || r.Source != "x:1" || r.Scopes.String() != "" {
		t.Errorf("the second route is %+v", r)
	}
	if r := table.Match("POST", "/a"); r == nil || r.Scopes.String() != "posts:write media:upload" {
		t.Errorf("Match = %+v", r)
	}
}

func manyRoutes(n int) []Route {
	routes := make([]Route, 0, n)
	for i := 0; len(routes) < n; i++ {
		resource := fmt.Sprintf("/v1/resource%d", i)
		for _, line := range []struct{ methods, pattern string }{
			{"GET", resource},
			{"POST", resource},
			{"GET", resource + "/{id}"},
			{"PUT,PATCH", resource + "/{id}"},
			{"POST", resource + "/{id}/approve"},
			{"GET", resource + "/stats/*"},
		} {
			if len(routes) < n {
				routes = append(routes, Route{Methods: strings.Split(line.methods, ","), Pattern: line.pattern, Scopes: AllOf("posts:read")})
			}
		}
	}
	return routes
}

func TestTenThousandRoutes(t *testing.T) {
	table := mustTable(t, manyRoutes(10_000)...)
	for path, want := range map[string]string{
		"/v1/resource0":              "/v1/resource0",
		"/v1/resource1600/x":         "/v1/resource1600/{id}",
		"/v1/resource1600/stats/x/y": "/v1/resource1600/stats/*",
		"/v1/resource1700/x":         "",
	} {
		got := ""
		if r := table.Match("GET", path); r != nil {
			got = r.Pattern
		}
		if got != want {
			t.Errorf("GET %s matches %q; want %q", path, got, want)
		}
	}
}
