package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	runtimemetrics "runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/response"
)

// effect is what an option does, where it does it: two configs that differ in
// the option alone, and what is seen of each. Where both are the same, the option
// is one that nobody is to notice.
type effect struct {
	option        string // type and JSON name of the field
	without, with config
	see           func(*testing.T, *Handler) string
	was, is       string
}

// config is the JSON of an app and of a handler. What the handler lacks is
// plainRoutes.
type config struct{ app, handler string }

const plainRoutes = `"routes":[
	{"methods":["GET","POST"],"path":"/v1/posts","scopes":["posts:read"]},
	{"methods":["GET"],"path":"/v1/live","scopes":["posts:read"],"websocket":true},
	{"methods":["GET"],"path":"/v1/status","access":"public"}]`

// route is a config with one route and a public one.
func route(fields string) config {
	return config{"", `"routes":[{` + fields + `},{"methods":["GET"],"path":"/status","access":"public"}]`}
}

func app(fields string) config { return config{"{" + fields + "}", ""} }

func handler(fields string) config { return config{"", fields} }

// named reads names.yaml with more options.
func named(options string) config {
	return handler(`"openapi":[{"file":"DIR/names.yaml"` + options + `}]`)
}

func cors(fields string) config { return config{"", `"cors":{` + fields + `}`} }

// provision makes a handler of a config, with a key with posts:read.
func (c config) provision(t *testing.T) (*Handler, error) {
	t.Helper()
	fields := c.handler
	if !strings.Contains(fields, `"routes"`) && !strings.Contains(fields, `"openapi"`) {
		fields = strings.TrimSuffix(plainRoutes+","+fields, ",")
	}
	app := c.app
	if app == "" {
		app = "{}"
	}
	return handlerOf(t, app, "{"+fields+"}")
}

// asking returns a request, with a key that change is made to; without a header it
// has the key in Authorization. What is seen is the status and what read makes of
// the exchange.
func asking(request, header string, change func(*apikey.Key), read func(*exchange) string) func(*testing.T, *Handler) string {
	return func(t *testing.T, h *Handler) string {
		t.Helper()
		if header == "" {
			header = bearerOnly
		}
		_, token := storeKey(t, h, change)
		o := outcome{request: request, header: header}
		x := send(t, h, o.ask(token))
		return fmt.Sprint(x.status, " ", read(&x))
	}
}

func nothing(*exchange) string { return "" }

// remarked counts what lint says of operations that are routes.
func remarked(t *testing.T, h *Handler) string {
	t.Helper()
	n := 0
	d, err := h.OpenAPI[0].read()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range d.Operations {
		n += len(o.Remarks)
	}
	return strconv.Itoa(n)
}

func code(x *exchange) string {
	var p response.Problem
	_ = json.Unmarshal([]byte(x.body), &p) // what passes has none
	return p.Code
}

// fields returns of an answer the fields with a name.
func fields(name string) func(*exchange) string {
	return func(x *exchange) string { return strings.Join(x.header.Values(name), " | ") }
}

// identitySeen is what the backend sees of who calls.
func identitySeen(x *exchange) string {
	var seen []string
	if x.seen != nil {
		for _, name := range slices.Sorted(maps.Keys(x.seen.Header)) {
			seen = append(seen, name+"="+strings.Join(x.seen.Header[name], "|"))
		}
	}
	return strings.Join(seen, " ")
}

const (
	pagePreflight = "Origin: " + page + "; Access-Control-Request-Method: POST"
	preflightVary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	ourExposed    = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, Request-Id, Key-Expires"
)

// pageSocket is what a page sends that opens a WebSocket with a key.
const pageSocket = "Connection: Upgrade; Upgrade: websocket; Sec-Websocket-Protocol: keygate.token.TOKEN, app"

// protocolSeen is what the backend sees of the subprotocols.
func protocolSeen(x *exchange) string {
	if x.seen == nil {
		return ""
	}
	return strings.Join(x.seen.Header["Sec-Websocket-Protocol"], " | ")
}

func preflightHeaders(x *exchange) string {
	h := x.header
	return fmt.Sprint(h.Get("Access-Control-Allow-Headers"), " for ", h.Get("Access-Control-Max-Age"), " vary ", strings.Join(h["Vary"], " | "))
}

func fromPage(k *apikey.Key) { k.AllowedOrigins = []string{page} }

func onlyHost(k *apikey.Key) { k.Scopes = []string{"media:upload"} }

var effects = []effect{
	{"App.key_prefix", app(``), app(`"key_prefix":"acme"`), func(t *testing.T, h *Handler) string {
		t.Helper()
		token, id, hash := apikey.Generate("acme")
		storeKey(t, h, func(k *apikey.Key) { k.ID, k.Hash = id, hash })
		return asking("GET /v1/posts", "Authorization: Bearer "+token, nil, code)(t, h)
	}, "401 invalid_key", "200 "},
	{"App.key_prefix", app(``), app(`"key_prefix":"acme"`), asking("GET /v1/posts", "", nil, code), "200 ", "401 invalid_key"},
	{"App.gc_headroom", app(``), app(`"gc_headroom":68719476736`), collecting, "as GOGC says", "more seldom"},
	{"App.audit_retention", app(``), app(`"audit_retention":86400000000000`), retained, "9600h0m0s", "24h0m0s"},
	{
		"App.workspace_limits", app(``), app(`"workspace_limits":{"per_minute":7,"per_day":9}`), asking("GET /v1/posts", "", nil, fields("RateLimit-Policy")),
		`200 "minute";q=60;w=60, "day";q=10000;w=86400`, `200 "minute";q=60;w=60, "day";q=10000;w=86400, "workspace-minute";q=7;w=60, "workspace-day";q=9;w=86400`,
	},
	{"App.store", app(``), app(`"store":{"module":"bbolt","path":"DIR/other/keys.db"}`), storeFile, "keys.db", "other/keys.db"},
	{"Bolt.path", app(`"store":{"module":"bbolt","path":"DIR/a.db"}`), app(`"store":{"module":"bbolt","path":"DIR/b.db"}`), storeFile, "a.db", "b.db"},
	{"Bolt.create", app(`"store":{"module":"bbolt","path":"DIR/a.db"}`), app(`"store":{"module":"bbolt","path":"DIR/a.db","create":"off"}`), storeMade, "made", "there is none"},

	{"Handler.routes", route(`"methods":["GET"],"path":"/a","scopes":["posts:read"]`), route(`"methods":["GET"],"path":"/v1/posts","scopes":["posts:read"]`), asking("GET /v1/posts", "", nil, code), "403 route_not_mapped", "200 "},
	{"Handler.openapi", handler(``), handler(plainRoutes + `,"openapi":[{"file":"testdata/api.yaml"}]`), asking("GET /v1/status", "Authorization: Basic x", nil, code), "200 ", "200 "},
	{"Handler.openapi", route(`"methods":["GET"],"path":"/a","access":"deny"`), handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"key"}]`), asking("GET /v1/posts", "", nil, code), "403 route_not_mapped", "200 "},
	{"Handler.header", handler(``), handler(`"header":"x-api-key"`), asking("GET /v1/posts", "X-Api-Key: TOKEN", nil, identitySeen), "401 ", "200 Socialpatra-Key-Id=KEY Socialpatra-Scopes=posts:read Socialpatra-Workspace=acme"},
	{"Handler.header", handler(``), handler(`"header":"x-api-key"`), asking("GET /v1/posts", "", nil, fields("Vary")), "200 Origin | Authorization", "200 Origin | Authorization, X-Api-Key"},
	{
		"Handler.header", handler(``), handler(`"header":"x-api-key"`), asking("OPTIONS /v1/posts", pagePreflight, nil, preflightHeaders),
		"204 Authorization, Content-Type for 600 vary " + preflightVary, "204 Authorization, X-Api-Key, Content-Type for 600 vary " + preflightVary,
	},
	{"Handler.missing_origin", handler(`"missing_origin":"deny"`), handler(`"missing_origin":"allow"`), asking("GET /v1/posts", "", fromPage, code), "403 origin_not_allowed", "200 "},
	{"Handler.missing_origin", handler(``), handler(`"missing_origin":"allow"`), asking("GET /v1/posts", bearerOnly+"; Origin: https://evil.example", fromPage, code), "403 origin_not_allowed", "403 origin_not_allowed"},
	{
		"Handler.identity_prefix", handler(``), handler(`"identity_prefix":"x-Acme-9-"`),
		asking("GET /v1/posts", bearerOnly+"; Socialpatra-Role: forged; X-Acme-9-Role: forged; X_acme.9_role: forged; X-Acme-90: stays; X-Acme: stays", nil, identitySeen),
		"200 Socialpatra-Key-Id=KEY Socialpatra-Scopes=posts:read Socialpatra-Workspace=acme X-Acme=stays X-Acme-9-Role=forged X-Acme-90=stays X_acme.9_role=forged",
		"200 Socialpatra-Role=forged X-Acme=stays X-Acme-9-Key-Id=KEY X-Acme-9-Scopes=posts:read X-Acme-9-Workspace=acme X-Acme-90=stays",
	},
	{"Handler.identity_prefix", handler(``), handler(`"identity_prefix":"X-Acme-"`), asking("GET /v1/status", bearerOnly+"; Socialpatra-Role: forged; X-Acme-Role: forged", nil, identitySeen), "200 X-Acme-Role=forged", "200 Socialpatra-Role=forged"},
	{"Handler.identity_prefix", config{``, `"authorize":"forward_auth"`}, config{``, `"authorize":"forward_auth","identity_prefix":"X-Acme-"`}, permitted, "Socialpatra-Workspace", "X-Acme-Workspace"},
	{"Handler.errors", handler(`"errors":"problem"`), handler(`"errors":"caddy"`), asking("GET /v1/nothing", "", nil, func(x *exchange) string { return fmt.Sprint(code(x), x.err != nil) }), "403 route_not_mappedfalse", "200 true"},
	{"Handler.auth_failures", handler(``), handler(`"auth_failures":1`), failing(2), "401 401", "401 429"},
	{"Handler.auth_failures", handler(``), handler(`"auth_failures":2`), failing(3), "401 401 401", "401 401 429"},
	{"Handler.auth_failures", handler(`"auth_failures":1`), handler(`"auth_failures":-1`), failing(4), "401 429 429 429", "401 401 401 401"},
	{"Handler.ratelimit_headers", handler(`"ratelimit_headers":"on"`), handler(`"ratelimit_headers":"off"`), asking("GET /v1/posts", "", nil, fields("RateLimit")), `200 "minute";r=59;t=1, "day";r=9999;t=50400`, "200 "},
	{"Handler.ratelimit_headers", handler(``), handler(`"ratelimit_headers":"off"`), asking("GET /v1/nothing", "", nil, fields("RateLimit-Policy")), `403 "minute";q=60;w=60, "day";q=10000;w=86400`, "403 "},
	{"Handler.websocket_token", handler(``), handler(`"websocket_token":"subprotocol"`), asking("GET /v1/live", pageSocket, nil, protocolSeen), "401 ", "200 app"},
	{"Handler.websocket_token", handler(`"websocket_token":"off"`), handler(`"websocket_token":"subprotocol"`), asking("GET /v1/posts", bearerOnly+"; Sec-Websocket-Protocol: keygate.token.x, app", nil, protocolSeen), "200 keygate.token.x, app", "200 app"},
	{"Handler.authorize", handler(``), handler(`"authorize":"auth_request"`), asking("GET /v1/posts", "", nil, code), "200 ", "400 malformed_request"},
	{"Handler.mode", handler(`"mode":"enforce"`), handler(`"mode":"report"`), asking("GET /v1/nothing", "Authorization: Basic x; Origin: "+page, nil, identitySeen), "401 ", "200 Authorization=Basic x Origin=" + page},
	{"Handler.mode", handler(``), handler(`"mode":"report"`), asking("GET /v1/posts", "", onlyHost, identitySeen), "403 ", "200 "},
	{"Handler.mode", handler(``), handler(`"mode":"report"`), asking("GET /v1/posts", "", func(k *apikey.Key) { k.Disabled = true }, code), "401 key_disabled", "401 key_disabled"},
	{"Handler.mode", handler(``), handler(`"mode":"report"`), asking("OPTIONS /v1/posts", pagePreflight, nil, fields("Vary")), "204 " + preflightVary, "200 "},
	{"Handler.foreign", handler(`"foreign":"deny"`), handler(`"foreign":"pass"`), asking("GET /v1/posts", "Authorization: Bearer a.b.c", nil, identitySeen), "401 ", "200 Authorization=Bearer a.b.c"},
	{"Handler.foreign", handler(``), handler(`"foreign":"pass"`), asking("GET /v1/nothing", "Authorization: Bearer a.b.c", nil, code), "401 invalid_key", "403 route_not_mapped"},
	{"Handler.foreign", handler(``), handler(`"foreign":"pass"`), asking("GET /v1/posts", "Authorization: Bearer patra_TOKEN", nil, code), "401 invalid_key", "401 invalid_key"},
	{"Handler.resource_metadata", handler(``), handler(`"resource_metadata":"https://api.example.com/a,b"`), asking("GET /v1/posts", "Authorization: Basic x", nil, fields("WWW-Authenticate")), `401 Bearer realm="keygate"`, `401 Bearer realm="keygate", resource_metadata="https://api.example.com/a,b"`},
	{"Handler.resource_metadata", handler(``), handler(`"resource_metadata":"http://[::1]:8080/x"`), asking("GET /v1/nothing", "", nil, fields("WWW-Authenticate")), "403 ", "403 "},
	{"Handler.authorize_path_prefix", handler(``), handler(`"authorize":"ext_authz","authorize_path_prefix":"/authz"`), asking("GET /authz/v1/posts", "", nil, code), "403 route_not_mapped", "400 malformed_request"},
	{"Handler.authorize_path_prefix", handler(`"authorize":"ext_authz"`), handler(`"authorize":"ext_authz","authorize_path_prefix":"/authz"`), extAuthz("/authz/v1/posts"), "403", "200 acme"},
	{"Handler.authorize_path_prefix", handler(`"authorize":"ext_authz"`), handler(`"authorize":"ext_authz","authorize_path_prefix":"/authz"`), extAuthz("/v1/posts"), "200 acme", "400"},

	{
		"Handler.cors", handler(``), handler(`"cors":{}`), asking("OPTIONS /v1/posts", pagePreflight, nil, preflightHeaders),
		"204 Authorization, Content-Type for 600 vary " + preflightVary, "204 Authorization, Content-Type for 600 vary " + preflightVary,
	},
	{"Handler.cors", handler(``), cors(`"off":true`), asking("GET /v1/posts", bearerOnly+"; Origin: "+page, nil, fields("Access-Control-Allow-Origin")), "200 " + page, "200 "},
	{"Handler.cors", handler(``), cors(`"max_age":60000000000`), asking("GET /v1/posts", bearerOnly+"; Origin: "+page, nil, fields("Access-Control-Allow-Origin")), "200 " + page, "200 " + page},
	{"CORS.off", cors(`"off":false`), cors(`"off":true`), asking("OPTIONS /v1/posts", pagePreflight, nil, fields("Vary")), "204 " + preflightVary, "401 Origin"},
	{
		"CORS.allow_headers", cors(``), cors(`"allow_headers":["X-A","x-b","authorization","X-A"]`), asking("OPTIONS /v1/posts", pagePreflight, nil, preflightHeaders),
		"204 Authorization, Content-Type for 600 vary " + preflightVary, "204 Authorization, X-A, x-b for 600 vary " + preflightVary,
	},
	{"CORS.allow_headers", cors(``), cors(`"allow_headers":["X-A"]`), asking("GET /v1/posts", bearerOnly+"; Origin: "+page, nil, fields("Access-Control-Allow-Headers")), "200 ", "200 "},
	{
		"CORS.max_age", cors(``), cors(`"max_age":1500000000`), asking("OPTIONS /v1/posts", pagePreflight, nil, preflightHeaders),
		"204 Authorization, Content-Type for 600 vary " + preflightVary, "204 Authorization, Content-Type for 1 vary " + preflightVary,
	},
	{"CORS.max_age", cors(`"max_age":86400000000000`), cors(`"max_age":1000000000`), asking("OPTIONS /v1/posts", pagePreflight, nil, fields("Access-Control-Max-Age")), "204 86400", "204 1"},
	{"CORS.max_age", cors(``), cors(`"max_age":1000000000`), asking("GET /v1/posts", bearerOnly+"; Origin: "+page, nil, fields("Access-Control-Max-Age")), "200 ", "200 "},
	{"CORS.expose_headers", cors(``), cors(`"expose_headers":["X-Total"]`), asking("GET /v1/posts", bearerOnly+"; Origin: "+page, nil, fields("Access-Control-Expose-Headers")), "200 " + ourExposed, "200 " + ourExposed + ", X-Total"},
	{"CORS.expose_headers", cors(``), cors(`"expose_headers":["X-Total"]`), asking("OPTIONS /v1/posts", pagePreflight, nil, fields("Access-Control-Expose-Headers")), "204 ", "204 "},

	{"Route.methods", route(`"methods":["GET"],"path":"/a","scopes":["posts:read"]`), route(`"methods":["POST"],"path":"/a","scopes":["posts:read"]`), asking("GET /a", "", nil, code), "200 ", "403 route_not_mapped"},
	{"Route.path", route(`"methods":["GET"],"path":"/a","scopes":["posts:read"]`), route(`"methods":["GET"],"path":"/b","scopes":["posts:read"]`), asking("GET /b", "", nil, code), "403 route_not_mapped", "200 "},
	{"Route.scopes", route(`"methods":["GET"],"path":"/a","scopes":["posts:read"]`), route(`"methods":["GET"],"path":"/a","scopes":["posts:read","posts:write"]`), asking("GET /a", "", nil, code), "200 ", "403 insufficient_scope"},
	{"Route.or_scopes", route(`"methods":["GET"],"path":"/a","scopes":["posts:read"]`), route(`"methods":["GET"],"path":"/a","scopes":["posts:read"],"or_scopes":[["posts:write"],["media:upload"]]`), asking("GET /a", "", onlyHost, code), "403 insufficient_scope", "200 "},
	{"Route.access", route(`"methods":["GET"],"path":"/a","access":"authenticated"`), route(`"methods":["GET"],"path":"/a","access":"public"`), asking("GET /a", "Authorization: Basic x", nil, code), "401 missing_key", "200 "},
	{"Route.access", route(`"methods":["GET"],"path":"/a","access":"authenticated"`), route(`"methods":["GET"],"path":"/a","access":"deny"`), asking("GET /a", "", nil, code), "200 ", "403 route_not_mapped"},
	{"Route.cost", route(`"methods":["GET"],"path":"/a","access":"authenticated"`), route(`"methods":["GET"],"path":"/a","access":"authenticated","cost":7`), asking("GET /a", "", nil, fields("RateLimit")), `200 "minute";r=59;t=1, "day";r=9999;t=50400`, `200 "minute";r=53;t=1, "day";r=9993;t=50400`},
	{
		"Route.websocket", route(`"methods":["GET"],"path":"/a","access":"authenticated"`), route(`"methods":["GET"],"path":"/a","access":"authenticated","websocket":true`), asking("GET /a", bearerOnly+"; Connection: Upgrade; Upgrade: websocket", nil, identitySeen),
		"403 ", "200 Connection=Upgrade Socialpatra-Key-Id=KEY Socialpatra-Scopes=posts:read Socialpatra-Workspace=acme Upgrade=websocket",
	},
	{"Route.source", route(`"methods":["GET"],"path":"/a","access":"authenticated"`), route(`"methods":["GET"],"path":"/a","access":"authenticated","source":"Caddyfile:12"`), sourceOf("/a"), "", "Caddyfile:12"},
	{"Route.source", route(`"methods":["GET"],"path":"/a","access":"authenticated"`), route(`"methods":["GET"],"path":"/a","access":"authenticated","source":"Caddyfile:12"`), asking("GET /a", "", nil, code), "200 ", "200 "},

	{"OpenAPI.file", handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"key"}]`), handler(`"openapi":[{"file":"DIR/other.yaml","scheme":"key"}]`), asking("GET /v1/posts", "", nil, code), "200 ", "403 route_not_mapped"},
	{"OpenAPI.scheme", handler(`"openapi":[{"file":"DIR/schemes.yaml","scheme":"first"}]`), handler(`"openapi":[{"file":"DIR/schemes.yaml","scheme":"second"}]`), asking("GET /v1/a", "", nil, code), "200 ", "403 route_not_mapped"},
	{"OpenAPI.base_path", handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"key"}]`), handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"key","base_path":"/v2"}]`), asking("GET /v2/posts", "", nil, code), "403 route_not_mapped", "200 "},
	{"OpenAPI.scope_map", named(``), named(`,"scope_map":[{"source":"read.posts","scopes":["posts:read"]}]`), asking("GET /v1/a", "", nil, code), "403 route_not_mapped", "200 "},
	{"ScopeMapping.source", named(`,"scope_map":[{"source":"read.other","scopes":["posts:read"]}]`), named(`,"scope_map":[{"source":"read.*","scopes":["*:read"]}]`), asking("GET /v1/a", "", nil, code), "403 route_not_mapped", "200 "},
	{"ScopeMapping.scopes", named(`,"scope_map":[{"source":"read.posts","scopes":["posts:read","media:upload"]}]`), named(`,"scope_map":[{"source":"read.posts","scopes":["posts:read"]}]`), asking("GET /v1/a", "", nil, code), "403 insufficient_scope", "200 "},
	{"OpenAPI.default", named(``), named(`,"default":{"access":"authenticated"}`), asking("GET /v1/b", "", nil, code), "403 route_not_mapped", "200 "},
	{"OpenAPIDefault.access", named(`,"default":{"access":"deny"}`), named(`,"default":{"access":"public"}`), asking("GET /v1/b", "", nil, code), "403 route_not_mapped", "200 "},
	{"OpenAPIDefault.scopes", named(`,"default":{"scopes":["posts:write"]}`), named(`,"default":{"scopes":["posts:read"]}`), asking("GET /v1/b", "", nil, code), "403 insufficient_scope", "200 "},
	{"OpenAPIDefault.or_scopes", named(`,"default":{"scopes":["posts:write"]}`), named(`,"default":{"scopes":["posts:write"],"or_scopes":[["posts:read"]]}`), asking("GET /v1/b", "", nil, code), "403 insufficient_scope", "200 "},
	{"OpenAPI.other_schemes", named(``), named(`,"other_schemes":["session"]`), remarked, "1", "0"},
	{"OpenAPI.digest", handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"key"}]`), handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"key","digest":"of another"}]`), asking("GET /v1/posts", "", nil, code), "200 ", "200 "},
}

// retained is for how long the app keeps audit entries once it has started.
func retained(t *testing.T, h *Handler) string {
	t.Helper()
	if err := h.app.Start(); err != nil {
		t.Fatal(err)
	}
	return time.Duration(h.app.opened.Load().retention.Load()).String()
}

// collecting says how often garbage is collected once the app has started.
func collecting(t *testing.T, h *Handler) string {
	t.Helper()
	if err := h.app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.app.endHeadroom)
	percent := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}}
	runtimemetrics.Read(percent)
	if percent[0].Value.Uint64() > 100 {
		return "more seldom"
	}
	return "as GOGC says"
}

// storeFile is the file that a request had made.
func storeFile(t *testing.T, h *Handler) string {
	t.Helper()
	asking("GET /v1/posts", "", nil, nothing)(t, h)
	location := h.app.store.Location()
	if _, err := os.Stat(location); err != nil {
		t.Error(err)
	}
	_, name, _ := strings.Cut(location, "/data/")
	return name
}

// storeMade says whether a start makes a store where there is none.
func storeMade(t *testing.T, h *Handler) string {
	t.Helper()
	switch err := h.app.Start(); {
	case errors.Is(err, fs.ErrNotExist):
		return "there is none"
	case err != nil:
		t.Fatal(err)
	}
	return "made"
}

// permitted is the header that names the workspace to a front proxy.
func permitted(t *testing.T, h *Handler) string {
	t.Helper()
	_, token := storeKey(t, h, nil)
	o := outcome{request: "GET /", header: bearerOnly + "; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts", edit: trusted}
	x := send(t, h, o.ask(token))
	for name, values := range x.header {
		if slices.Equal(values, []string{"acme"}) {
			return name
		}
	}
	return x.String()
}

// extAuthz is what Envoy is told of a path, with a good key.
func extAuthz(path string) func(*testing.T, *Handler) string {
	return func(t *testing.T, h *Handler) string {
		t.Helper()
		_, token := storeKey(t, h, nil)
		o := outcome{request: "GET " + path, header: bearerOnly, edit: trusted}
		x := send(t, h, o.ask(token))
		return strings.TrimSpace(fmt.Sprint(x.status, " ", x.header.Get("SocialPatra-Workspace")))
	}
}

// failing is what so many wrong keys in a row are answered.
func failing(n int) func(*testing.T, *Handler) string {
	return func(t *testing.T, h *Handler) string {
		t.Helper()
		var statuses []string
		for range n {
			x := send(t, h, httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(wrongToken)}))
			statuses = append(statuses, fmt.Sprint(x.status))
		}
		return strings.Join(statuses, " ")
	}
}

func sourceOf(path string) func(*testing.T, *Handler) string {
	return func(_ *testing.T, h *Handler) string { return h.policy.Table.Match("GET", path).Source }
}
