package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/keystore"
)

// sameEffects are the options that no request notices.
var sameEffects = []string{"OpenAPI.digest"}

// The documents that effects name, beside testdata/api.yaml.
var documents = map[string]string{
	"other.yaml": `openapi: 3.1.0
info: {title: other, version: "1"}
servers: [{url: /v1}]
components: {securitySchemes: {key: {type: http, scheme: bearer}}}
paths: {/other: {get: {security: [{key: []}]}}}
`,
	"schemes.yaml": `openapi: 3.1.0
info: {title: schemes, version: "1"}
servers: [{url: /v1}]
components: {securitySchemes: {first: {type: http, scheme: bearer}, second: {type: http, scheme: bearer}}}
paths: {/a: {get: {security: [{first: []}]}}, /b: {get: {security: [{second: []}]}}}
`,
	"names.yaml": `openapi: 3.1.0
info: {title: names, version: "1"}
servers: [{url: /v1}]
components: {securitySchemes: {key: {type: http, scheme: bearer}, session: {type: apiKey, in: cookie, name: s}}}
paths: {/a: {get: {security: [{key: [read.posts]}]}}, /b: {get: {}}, /c: {get: {security: [{key: ["posts:read"], session: []}]}}}
`,
}

// Every option of the app, of the handler and of the store in a file does what its
// comment says, on a request. One that nobody has written an effect for is told.
func TestEveryOptionHasItsEffect(t *testing.T) {
	folder := t.TempDir()
	for name, text := range documents {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown, differs := make(map[string]bool), make(map[string]bool)
	for i, e := range effects {
		t.Run(fmt.Sprint(i, " ", e.option), func(t *testing.T) {
			for _, side := range []struct {
				config
				want string
			}{{e.without, e.was}, {e.with, e.is}} {
				side.handler = strings.ReplaceAll(side.handler, "DIR", folder)
				h, err := side.provision(t)
				if err != nil {
					t.Fatalf("%v: %v", side.config, err)
				}
				setClock(h, stopped(testStart))
				if got := withoutIDs(t, h, e.see(t, h)); got != side.want {
					t.Errorf("with %s%s is seen\n%s\nwant\n%s", side.app, side.handler, got, side.want)
				}
			}
			shown[e.option] = true
			differs[e.option] = differs[e.option] || e.was != e.is
		})
	}
	for name, typ := range configStructs {
		if strings.HasPrefix(name, "Redis") {
			continue // the suite fleet is about these
		}
		for field := range jsonFields(t, typ) {
			option := name + "." + field
			if !shown[option] {
				t.Errorf("no effect of %s is shown", option)
			}
			if differs[option] == slices.Contains(sameEffects, option) {
				t.Errorf("an effect of %s is seen: %v", option, differs[option])
			}
		}
	}
}

// withoutIDs puts KEY in the place of the IDs of keys.
func withoutIDs(t *testing.T, h *Handler, text string) string {
	t.Helper()
	e, err := h.app.open()
	if errors.Is(err, fs.ErrNotExist) {
		return text // there is no store, as the option has it
	}
	if err != nil {
		t.Fatal(err)
	}
	page, err := e.store.List(keystore.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range page.Keys {
		text = strings.ReplaceAll(text, k.ID.String(), "KEY")
	}
	return text
}

// What JSON says wrong is refused when it is provisioned, with the values that
// would do. A Caddyfile refuses the same: testdata/mistakes.
func TestOptionsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		config
		want string // in the error; "": none
	}{
		{app(`"key_prefix":"Acme"`), "Acme"},
		{app(`"audit_retention":86399999999999`), "a day or more"},
		{app(`"audit_retention":86400000000000`), ""},
		{app(`"workspace_limits":{"per_day":1000000001}`), "workspace_limits"},
		{app(`"store":{"module":"bbolt","path":"{env.KEYGATE_NOT_SET}"}`), "empty once its placeholders are expanded"},
		{app(`"store":{"module":"nothing"}`), "loading the key store"},
		{handler(`"missing_origin":"permit"`), "deny or allow"},
		{handler(`"errors":"json"`), "problem or caddy"},
		{handler(`"ratelimit_headers":"true"`), "on or off"},
		{handler(`"auth_failures":-2`), "1–1,000,000"},
		{handler(`"auth_failures":1000000`), ""},
		{handler(`"auth_failures":1000001`), "1–1,000,000"},
		{handler(`"identity_prefix":"X"`), "2–32"},
		{handler(`"identity_prefix":"X-` + strings.Repeat("a", 29) + `-"`), ""},
		{handler(`"identity_prefix":"X-` + strings.Repeat("a", 30) + `-"`), "2–32"},
		{handler(`"mode":"on"`), "enforce or report"},
		{handler(`"foreign":"true"`), "deny or pass"},
		{handler(`"resource_metadata":"https://a.example/x?y=z"`), ""},
		{handler(`"resource_metadata":"http://localhost:8080/x"`), ""},
		{handler(`"resource_metadata":"http://127.0.0.1.example/x"`), "an https URL"},
		{handler(`"resource_metadata":"https:///x"`), "an https URL"},
		{handler(`"resource_metadata":"https://a:b@c.example/x"`), "an https URL"},
		{handler(`"resource_metadata":"https://a.example/\"x"`), "an https URL"},
		{handler(`"resource_metadata":"https://a.example/\\x"`), "an https URL"},
		{handler(`"resource_metadata":"https://a.example/ x"`), "an https URL"},
		{handler(`"resource_metadata":"https://a.example/é"`), "an https URL"},
		{handler(`"resource_metadata":"https://a.example/%zz"`), "an https URL"},
		{handler(`"resource_metadata":"https://a.example/#"`), "an https URL"},
		{handler(`"resource_metadata":"{env.X}"`), "an https URL"},
		{handler(`"mode":"report","foreign":"pass","authorize":"forward_auth"`), ""},
		{handler(`"websocket_token":"header"`), "off or subprotocol"},
		{handler(`"authorize":"forward_auth","websocket_token":"subprotocol"`), "opens no WebSockets"},
		{handler(`"authorize":"forward_auth","websocket_token":"off"`), ""},
		{handler(`"authorize":"ask"`), "forward_auth, auth_request or ext_authz"},
		{handler(`"authorize":"forward_auth","cors":{}`), "leaves CORS to the proxy"},
		{handler(`"authorize":"forward_auth","cors":{"off":true}`), ""},
		{handler(`"authorize":"ext_authz","cors":{}`), "leaves CORS to the proxy"},
		{handler(`"authorize":"ext_authz","authorize_path_prefix":"/a/b-c.d_e~9"`), ""},
		{handler(`"authorize":"ext_authz","authorize_path_prefix":"/"`), "does not end in one"},
		{handler(`"authorize":"ext_authz","authorize_path_prefix":"authz"`), "begins with a slash"},
		{handler(`"authorize":"ext_authz","authorize_path_prefix":"/authz%20"`), "nothing percent-encoded"},
		{handler(`"authorize":"ext_authz","authorize_path_prefix":"/authz/../a"`), "path_prefix"},
		{handler(`"authorize":"auth_request","authorize_path_prefix":"/authz"`), "belongs to authorize ext_authz"},
		{handler(`"authorize_path_prefix":"/authz"`), "belongs to authorize ext_authz"},
		{handler(`"header":"X Key"`), "not a header name"},
		{handler(`"header":"X-` + strings.Repeat("a", 62) + `"`), ""},
		{handler(`"header":"X-` + strings.Repeat("a", 63) + `"`), "up to 64"},
		{cors(`"max_age":86400000000000`), ""},
		{cors(`"max_age":86400000000001`), "up to 24h"},
		{cors(`"max_age":-1`), "up to 24h"},
		{cors(`"allow_headers":["*"]`), "allow_headers"},
		{cors(`"allow_headers":["A","b c"]`), "allow_headers"},
		{cors(`"expose_headers":["*"]`), "expose_headers"},
		{cors(`"expose_headers":[""]`), "expose_headers"},
		{handler(`"openapi":[{"file":"testdata/none.yaml"}]`), "testdata/none.yaml"},
		{handler(`"openapi":[{"file":"{env.KEYGATE_NOT_SET}"}]`), "is empty"},
		{handler(`"openapi":[{"file":"testdata/api.yaml","scheme":"none"}]`), "none"},
		{handler(`"openapi":[{"file":"testdata/api.yaml","other_schemes":["other"]}]`), ""},
		{handler(`"openapi":[{"file":"testdata/api.yaml","other_schemes":["othr"]}]`), `"othr" of other_schemes is not declared`},
		{handler(`"openapi":[{"file":"testdata/api.yaml","other_schemes":["key"]}]`), `"key" of other_schemes is that of the keys`},
		{handler(`"routes":[]`), "route"},
		{route(`"methods":["GET"],"path":"/status","access":"public"`), "route 2"},
		{route(`"methods":["GET"],"path":"/a"`), "scope"},
		{route(`"methods":["GET"],"path":"/a","cost":1001,"access":"authenticated"`), "1000"},
	} {
		t.Run(test.app+test.handler, func(t *testing.T) {
			_, err := test.provision(t)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// A header with a meaning of its own does not carry the token, in any case.
func TestReservedHeaders(t *testing.T) {
	names := []string{
		"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Origin", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
		"Proxy-Authorization", "Expect", "Range",
		"Access-Control-Request-Method", "Access-Control-Request-Headers",
		"Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
	}
	for _, name := range names {
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if err := checkKeyHeader(spelling); err == nil || !strings.Contains(err.Error(), "choose one of your own") {
				t.Errorf("%s: %v", spelling, err)
			}
		}
		for _, other := range []string{"X-" + name, name + "-2"} {
			if err := checkKeyHeader(other); err != nil {
				t.Errorf("%s: %v", other, err)
			}
		}
	}
	if len(reservedHeaders) != len(names) {
		t.Errorf("%d names are reserved, and %d are tried", len(reservedHeaders), len(names))
	}
}
