package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// schemes declares one of every kind, from line 2 on.
const schemes = `openapi: 3.1.0
components:
  securitySchemes:
    bearer: {type: http, scheme: BEARER}
    header: {type: apiKey, in: header, name: x-api-key}
    authorization: {type: apiKey, in: header, name: authorization}
    oauth: {type: oauth2, flows: {}}
    oidc: {type: openIdConnect, openIdConnectUrl: https://example.com}
    query: {type: apiKey, in: query, name: key}
    cookie: {type: apiKey, in: cookie, name: key}
    nameless: {type: apiKey, in: header}
    basic: {type: http, scheme: basic}
    mtls: {type: mutualTLS}
    other: {type: other}
    typeless: {}
`

const declared = `"bearer", "header", "authorization", "oauth", "oidc", "query", "cookie", "nameless", "basic", "mtls", "other", "typeless"`

// operationWith is a document with an operation that has these keys, in line 17.
func operationWith(keys string) map[string]string {
	return one(schemes + "paths:\n  /a: {get: {" + keys + "}}\n")
}

func TestSecurity(t *testing.T) {
	const (
		notAScope = ` is no scope that keys can hold (resource:action, such as posts:write); `
		byHand    = "; write its route in keygate, with what it needs in place of deny: deny GET /a"
	)
	tests := map[string]struct{ security, want string }{
		"none":                     {"", "no_security: neither the operation nor the document says what requests need; add security, or security: [] if it is public, or write in the openapi block: default authenticated"},
		"empty":                    {"[]", "GET /a public"},
		"optional":                 {"[{bearer: [a:b]}, {}]", "GET /a public"},
		"any key":                  {"[{bearer: []}]", "GET /a authenticated"},
		"any key or scopes":        {"[{bearer: [a:b]}, {bearer: []}]", "GET /a authenticated"},
		"any key, other's scopes":  {"[{bearer: [], basic: [a:b]}]", "GET /a authenticated"},
		"one scope":                {"[{bearer: [a:b]}]", "GET /a a:b"},
		"all of":                   {"[{bearer: [a:b, a:a]}]", "GET /a a:a a:b"},
		"any of":                   {"[{bearer: [a:b]}, {bearer: [c:d, a:b]}]", "GET /a a:b | a:b c:d"},
		"scope twice":              {"[{bearer: [a:b, a:b]}]", "GET /a a:b"},
		"set twice":                {"[{bearer: [a:b, c:d]}, {bearer: [c:d, a:b]}]", "GET /a a:b c:d"},
		"for others too":           {"[{basic: []}, {bearer: [a:b]}, {query: []}]", "GET /a a:b"},
		"with another":             {"[{basic: [x], bearer: [a:b]}]", "GET /a a:b"},
		"for others only":          {"[{basic: []}, {query: []}]", `unmappable: no requirement names the scheme "bearer"` + byHand},
		"no scope of ours":         {"[{bearer: [Admin]}]", `unmappable: "Admin"` + notAScope + "write in the openapi block: scope_map Admin api:admin"},
		"several no scopes":        {"[{bearer: [Admin, a:b, x y, Admin]}]", `unmappable: "Admin", "x y" are no scopes that keys can hold (resource:action, such as posts:write); ` + "write in the openapi block: scope_map Admin api:admin; scope_map `x y` x:y"},
		"one of them no scope":     {"[{bearer: [Admin]}, {bearer: [a:b]}]", "GET /a a:b"},
		"part of it no scope":      {"[{bearer: [a:b, '*']}]", `unmappable: "*"` + notAScope + "give it another name in the document, as no scope_map line can be for it alone"},
		"too many alternatives":    {"[" + lines(17, "{bearer: [a:s%d]}, ") + "]", "unmappable: has 17 alternatives of scopes; accepted: at most 16" + byHand},
		"just enough alternatives": {"[" + lines(16, "{bearer: [a:b%d]}, ") + "{bearer: [a:b0]}]", "GET /a " + strings.TrimSuffix(lines(16, "a:b%d | "), " | ")},
		"too many scopes":          {"[{bearer: [" + lines(65, "a:s%d, ") + "]}]", "unmappable: has 65 scopes, more than a key can hold; accepted: at most 64" + byHand},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keys := ""
			if tt.security != "" {
				keys = "security: " + tt.security
			}
			d := mustRead(t, operationWith(keys), openapi.Options{Scheme: "bearer"})
			if got := outcome(&d.Operations[0]); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestSecurityIsInherited(t *testing.T) {
	d := mustRead(t, one(schemes+`security: [{bearer: [a:b]}]
paths:
  /a:
    get: {}
    post: {security: []}
    put: {security: [{bearer: []}]}
    trace: {}
`), openapi.Options{})
	const want = `openapi.yaml:19 GET /a -> GET /a a:b
openapi.yaml:20 POST /a -> POST /a public
openapi.yaml:21 PUT /a -> PUT /a authenticated
openapi.yaml:22 TRACE /a -> unmappable: the gateway refuses TRACE, whatever the route; remove it from the document
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
}

func TestSecurityRefused(t *testing.T) {
	tests := map[string]struct{ security, want string }{
		"null":          {"", "security is no list"},
		"mapping":       {"{}", "security is no list"},
		"text in it":    {"[bearer]", "security requirement is no mapping of keys to values"},
		"null in it":    {"[~]", "security requirement is no mapping of keys to values"},
		"undeclared":    {"[{bearer: []}, {nobody: []}]", `security scheme "nobody" is not declared; accepted: ` + declared},
		"a token":       {"[{patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn: []}]", `security scheme <a token> is not declared; accepted: ` + declared},
		"null scopes":   {"[{bearer: }]", `what is needed of "bearer" is no list`},
		"text scopes":   {"[{bearer: a:b}]", `what is needed of "bearer" is no list`},
		"number":        {"[{bearer: [1]}]", `a scope of "bearer" is no text`},
		"scheme twice":  {"[{bearer: [a:b], bearer: []}]", `has the key "bearer" twice, first in line 17`},
		"other's error": {"[{basic: 1}]", `what is needed of "basic" is no list`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, operationWith("security: "+tt.security), openapi.Options{}, "openapi.yaml:17: "+tt.want)
		})
	}
	t.Run("in the document", func(t *testing.T) {
		refused(t, one(schemes+"security: [{nobody: []}]\n"), openapi.Options{}, `openapi.yaml:16: security scheme "nobody" is not declared; accepted: `+declared)
	})
	t.Run("in the path", func(t *testing.T) {
		refused(t, one(schemes+"security: []\npaths:\n  /a:\n    get: {}\n    security: [{bearer: []}]\n"), openapi.Options{}, `openapi.yaml:20: "security" is beside the operations; accepted: in each operation that it is for`)
	})
	t.Run("none declared", func(t *testing.T) {
		refused(t, one("openapi: 3.1.0\nsecurity: [{key: []}]\n"), openapi.Options{}, `openapi.yaml:2: security scheme "key" is not declared; accepted: one that components/securitySchemes declares, which there is not`)
	})
}

func TestScheme(t *testing.T) {
	const accepted = "; accepted: http bearer, apiKey in a header, oauth2 or openIdConnect; declared: " + declared
	tests := map[string]struct{ scheme, used, want string }{
		"bearer":           {"bearer", "bearer", "4"},
		"header":           {"header", "bearer", "5 X-Api-Key"},
		"authorization":    {"authorization", "bearer", "6"},
		"oauth":            {"oauth", "bearer", "7"},
		"oidc":             {"oidc", "bearer", "8"},
		"query":            {"query", "query", `openapi.yaml:9: security scheme "query" is an apiKey in "query", and keys are never read from a query or a cookie` + accepted},
		"cookie":           {"cookie", "query", `openapi.yaml:10: security scheme "cookie" is an apiKey in "cookie", and keys are never read from a query or a cookie` + accepted},
		"nameless":         {"nameless", "query", `openapi.yaml:11: security scheme "nameless" is an apiKey in a header without a name` + accepted},
		"basic":            {"basic", "query", `openapi.yaml:12: security scheme "basic" is http "basic"` + accepted},
		"mtls":             {"mtls", "query", `openapi.yaml:13: security scheme "mtls" is of the type "mutualTLS"` + accepted},
		"other":            {"other", "query", `openapi.yaml:14: security scheme "other" is of the type "other"` + accepted},
		"typeless":         {"typeless", "query", `openapi.yaml:15: security scheme "typeless" is of the type ""` + accepted},
		"undeclared":       {"nobody", "query", `openapi.yaml:1: security scheme "nobody" is not declared; accepted: ` + declared},
		"only one used":    {"", "header", "5 X-Api-Key"},
		"one can be":       {"", "query: [], oidc", "8"},
		"none can be":      {"", "query", ""},
		"several":          {"", "header: [], bearer", `openapi.yaml:5: several security schemes could be that of the keys: "bearer", "header"; choose one by scheme <name>`},
		"several, one set": {"oauth", "header: [], bearer", "7"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files, o := operationWith("security: [{"+tt.used+": []}]"), openapi.Options{Scheme: tt.scheme}
			if strings.HasPrefix(tt.want, "openapi") {
				refused(t, files, o, tt.want)
				return
			}
			d := mustRead(t, files, o)
			got := strings.TrimPrefix(strings.TrimSpace(d.SchemeSource+" "+d.KeyHeader), "openapi.yaml:")
			if got != tt.want {
				t.Errorf("scheme and header %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNoSchemeCanBe(t *testing.T) {
	d := mustRead(t, one(schemes+"paths:\n  /a: {get: {security: [{query: []}]}, put: {security: []}}\n"), openapi.Options{})
	const want = `openapi.yaml:17 GET /a -> unmappable: no requirement names a scheme that keys can be for; accepted: http bearer, apiKey in a header, oauth2 or openIdConnect; write its route in keygate, with what it needs in place of deny: deny GET /a
openapi.yaml:17 PUT /a -> PUT /a public
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
}

// A scheme that only the security of the document names is used, too.
func TestSchemeOfTheDocument(t *testing.T) {
	d := mustRead(t, one(schemes+"security: [{oidc: []}]\npaths: {/a: {get: {security: []}}}\n"), openapi.Options{})
	if d.SchemeSource != "openapi.yaml:8" {
		t.Errorf("scheme at %q", d.SchemeSource)
	}
}

func TestDeclaredIsBroken(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"components": {"components: []", "openapi.yaml:2: components is no mapping of keys to values"},
		"schemes":    {"components: {securitySchemes: }", "openapi.yaml:2: securitySchemes is no mapping of keys to values"},
		"scheme":     {"components: {securitySchemes: {a: http}}", `openapi.yaml:2: security scheme "a" is no mapping of keys to values`},
		"$ref":       {"components: {securitySchemes: {a: {$ref: '#/b'}}}", `openapi.yaml:2: $ref "#/b" refers to nothing: openapi.yaml:1 has no key "b"`},
		"flows":      {"components: {securitySchemes: {a: {type: oauth2, flows: 1}}}", "openapi.yaml:2: flows is no mapping of keys to values"},
		"flow":       {"components: {securitySchemes: {a: {type: oauth2, flows: {b: 1}}}}", `openapi.yaml:2: flow "b" is no mapping of keys to values`},
		"scopes":     {"components: {securitySchemes: {a: {type: oauth2, flows: {b: {scopes: []}}}}}", "openapi.yaml:2: scopes is no mapping of keys to values"},
		"16": {
			"components: {securitySchemes: {" + lines(16, "s%d: {}, ") + "}}\nsecurity: [{a: []}]",
			`openapi.yaml:3: security scheme "a" is not declared; accepted: ` + strings.TrimSuffix(lines(16, `"s%d", `), ", "),
		},
		"17": {
			"components: {securitySchemes: {" + lines(17, "s%d: {}, ") + "}}\nsecurity: [{a: []}]",
			`openapi.yaml:3: security scheme "a" is not declared; accepted: ` + strings.TrimSuffix(lines(16, `"s%d", `), ", ") + ", …",
		},
		"many": {
			"components: {securitySchemes: {" + lines(20, "s%d: {}, ") + "}}\nsecurity: [{a: []}]",
			`openapi.yaml:3: security scheme "a" is not declared; accepted: ` + strings.TrimSuffix(lines(16, `"s%d", `), ", ") + ", …",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, one(fmt.Sprintf("openapi: 3.1.0\n%s\npaths: {/a: {get: {security: []}}}\n", tt.text)), openapi.Options{Scheme: "a"}, tt.want)
		})
	}
}
