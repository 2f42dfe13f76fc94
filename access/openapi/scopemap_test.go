package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

func mapping(source string, scopes ...string) openapi.ScopeMapping {
	return openapi.ScopeMapping{Source: source, Scopes: scopes}
}

func TestScopeMap(t *testing.T) {
	tests := map[string]struct {
		security string
		lines    []openapi.ScopeMapping
		want     string
	}{
		"one":                      {"[{bearer: [read.posts]}]", []openapi.ScopeMapping{mapping("read.posts", "posts:read")}, "posts:read"},
		"one in our form":          {"[{bearer: ['read:posts']}]", []openapi.ScopeMapping{mapping("read:posts", "posts:read")}, "posts:read"},
		"several":                  {"[{bearer: [Admin]}]", []openapi.ScopeMapping{mapping("Admin", "posts:write", "media:upload")}, "media:upload posts:write"},
		"a URL":                    {"[{bearer: ['https://a.example/posts']}]", []openapi.ScopeMapping{mapping("https://a.example/*", "*:any")}, "posts:any"},
		"a pattern":                {"[{bearer: [posts.readonly]}]", []openapi.ScopeMapping{mapping("*.readonly", "*:read")}, "posts:read"},
		"a pattern without text":   {"[{bearer: [posts.readonly]}]", []openapi.ScopeMapping{mapping("*", "all:any")}, "all:any"},
		"itself before a pattern":  {"[{bearer: [a.b]}]", []openapi.ScopeMapping{mapping("a.*", "x:pattern"), mapping("a.b", "x:exact")}, "x:exact"},
		"the longer pattern first": {"[{bearer: [a.b.c]}]", []openapi.ScopeMapping{mapping("a.*", "x:short"), mapping("a.b.*", "x:long")}, "x:long"},
		"else the first pattern":   {"[{bearer: [a.b]}]", []openapi.ScopeMapping{mapping("a.*", "x:first"), mapping("*.b", "x:second")}, "x:first"},
		"each alternative":         {"[{bearer: [A]}, {bearer: [B]}]", []openapi.ScopeMapping{mapping("A", "x:a"), mapping("B", "x:b")}, "x:a | x:b"},
		"all of a set":             {"[{bearer: [A, B]}]", []openapi.ScopeMapping{mapping("A", "x:a"), mapping("B", "x:b")}, "x:a x:b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := mustRead(t, operationWith("security: "+tt.security), openapi.Options{ScopeMap: tt.lines})
			if got := outcome(&d.Operations[0]); got != "GET /a "+tt.want {
				t.Errorf("the operation becomes %s, want %s", got, tt.want)
			}
		})
	}
}

// What a star stands for may be no part of a scope, and nothing is opened then.
func TestScopeMapToNoScope(t *testing.T) {
	for _, scope := range []string{"Posts.readonly", ".readonly", "a b.readonly", "a:b.readonly", strings.Repeat("a", 64) + ".readonly"} {
		d := mustRead(t, operationWith("security: [{bearer: ["+jsonText(t, scope)+"]}]"), openapi.Options{ScopeMap: []openapi.ScopeMapping{mapping("*.readonly", "*:read")}})
		if o := &d.Operations[0]; o.Problem == nil || o.Route.Access != access.Denied {
			t.Errorf("%s becomes %s", scope, outcome(o))
		}
	}
}

func TestStarIsSomeText(t *testing.T) {
	d := mustRead(t, operationWith("security: [{bearer: [a.]}]"), openapi.Options{ScopeMap: []openapi.ScopeMapping{mapping("a.*", "x:y")}})
	if o := &d.Operations[0]; o.Problem == nil {
		t.Errorf("the operation becomes %s", outcome(o))
	}
}

func TestScopeMapFindings(t *testing.T) {
	d := mustRead(t, operationWith("security: [{bearer: [A]}, {bearer: [B]}, {bearer: ['x:c']}]"), openapi.Options{ScopeMap: []openapi.ScopeMapping{
		mapping("Z", "x:z"), mapping("B", "x:c", "x:b"), mapping("Y*", "x:y"), mapping("A", "x:b"),
	}})
	if got := fmt.Sprint(d.UnusedMappings); got != "[{Z [x:z]} {Y* [x:y]}]" {
		t.Errorf("unused: %s", got)
	}
	if got := fmt.Sprint(d.Merged); got != "[{x:b [A B]} {x:c [B x:c]}]" {
		t.Errorf("merged: %s", got)
	}
}

func TestCheckScopeMapping(t *testing.T) {
	for _, m := range []openapi.ScopeMapping{
		mapping("", "a:b"), mapping("a"), mapping("a", ""), mapping("a", "Admin"), mapping("a*b*", "a:b"),
		mapping("a", "*:read"), mapping("a*", "*:*"), mapping("a", "a:b", "c"), mapping("a", strings.Fields(lines(65, "a:s%d "))...),
	} {
		if err := m.Check(); err == nil || !strings.HasPrefix(err.Error(), "scope_map: ") {
			t.Errorf("%v: %v", m, err)
		}
	}
	for _, m := range []openapi.ScopeMapping{mapping("*", "a:b"), mapping("*.x", "*:read", "a:*"), mapping("a b", "a:b")} {
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestDefault(t *testing.T) {
	scoped := access.AllOf("a:b")
	tests := map[string]struct {
		with openapi.Default
		want string
	}{
		"authenticated": {openapi.Default{Access: access.Authenticated}, "GET /a authenticated"},
		"public":        {openapi.Default{Access: access.Public}, "GET /a public"},
		"scope":         {openapi.Default{Scopes: scoped}, "GET /a a:b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := mustRead(t, operationWith(""), openapi.Options{Default: &tt.with})
			if got := outcome(&d.Operations[0]); got != tt.want {
				t.Errorf("an operation without security becomes %s", got)
			}
			// It is for nothing that says what it needs, or that says it in vain.
			for _, security := range []string{"[{bearer: [c:d]}]", "[{bearer: [Admin]}]", "[{basic: []}]"} {
				d := mustRead(t, operationWith("security: "+security), openapi.Options{Default: &tt.with})
				if got := outcome(&d.Operations[0]); got == tt.want {
					t.Errorf("security %s becomes %s", security, got)
				}
			}
		})
	}
	deny := openapi.Default{Access: access.Denied}
	if o := &mustRead(t, operationWith(""), openapi.Options{Default: &deny}).Operations[0]; o.Problem == nil || o.Problem.Kind != openapi.NoSecurity {
		t.Errorf("with default deny it becomes %s", outcome(o))
	}
	for _, d := range []openapi.Default{{}, {Access: "all"}, {Access: access.Public, Scopes: scoped}, {Scopes: access.AllOf("Admin")}} {
		if err := d.Check(); err == nil {
			t.Errorf("%v is accepted", d)
		}
	}
}

func TestAdditionalOperations(t *testing.T) {
	const text = "openapi: 3.2.0\nsecurity: []\npaths:\n  /{id}: {get: {}, query: {}}\n  /a:\n    additionalOperations:\n      COPY: {}\n      get: {}\n      '*': {}\n"
	d := mustRead(t, one(text), openapi.Options{})
	const want = `openapi.yaml:4 GET /{id} -> GET /{id} public
openapi.yaml:4 QUERY /{id} -> QUERY /{id} public
openapi.yaml:7 COPY /a -> unmappable: the gateway refuses the method "COPY", whatever the route; remove it from the document
openapi.yaml:8 get /a -> unmappable: the gateway refuses the method "get", whatever the route; remove it from the document
openapi.yaml:9 * /a -> unmappable: the gateway refuses the method "*", whatever the route; remove it from the document
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s", got)
	}
	if _, err := access.NewTable(d.Routes()); err != nil {
		t.Error(err)
	}
	refused(t, one(text+"      POST: {}\n"), openapi.Options{}, "openapi.yaml:10: POST is in additionalOperations; accepted: as post, beside them")
}

// A requirement may be the URI of a scheme elsewhere (OpenAPI 3.2.0 §4.30),
// which is not looked for.
func TestSecurityByURIIsRefused(t *testing.T) {
	files := operationWith("security: [{'https://a.example/schemes.yaml#/bearer': []}]")
	files["openapi.yaml"] = strings.Replace(files["openapi.yaml"], "3.1.0", "3.2.0", 1)
	refused(t, files, openapi.Options{}, `openapi.yaml:17: security scheme "https://a.example/schemes.yaml#/bearer" is not declared; accepted: `+declared)
}
