package openapis

import (
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/lint"
)

const small = `openapi: 3.1.0
info: {title: small, version: "1"}
servers: [{url: https://api.example.com/v1}]
security: [{key: ["posts:read"]}]
paths:
  /posts:
    get: {}
    post: {security: [{key: ["posts:write", "media:upload"]}, {key: [repo.admin]}]}
  /posts/{id}:
    get: {security: [{key: []}]}
    delete: {security: [{session: []}]}
  /posts/drafts:
    get: {security: [{session: []}]}
  /posts/{id}:publish:
    post: {security: [{key: ["posts:approve"], session: []}]}
  /health:
    get: {security: []}
    head: {}
  /files/{a}{b}:
    get: {}
  /posts/{id}/likes:
    get: {security: [{key: ["likes:read"]}]}
  /posts/drafts/{part}:
    get: {security: [{key: []}]}
  /feed:
    get: {}
  /feed.{format}:
    get: {}
components:
  securitySchemes:
    key: {type: http, scheme: bearer}
    session: {type: apiKey, in: cookie, name: session}
`

// routes gives a gateway other routes.
func routes(g *gateway, change func([]access.Route) []access.Route) {
	table, err := access.NewTable(change(g.Policy.Table.Routes()))
	if err != nil {
		panic(err)
	}
	g.Policy.Table = table
}

// at changes the route of a method and a pattern.
func at(method, pattern string, change func(*access.Route)) func(*gateway) {
	return func(g *gateway) {
		routes(g, func(all []access.Route) []access.Route {
			for i := range all {
				if all[i].Methods[0] == method && strings.HasSuffix(all[i].Pattern, pattern) {
					change(&all[i])
				}
			}
			return all
		})
	}
}

func without(method, pattern string) func(*gateway) {
	return func(g *gateway) {
		routes(g, func(all []access.Route) []access.Route {
			return slices.DeleteFunc(all, func(r access.Route) bool {
				return r.Methods[0] == method && strings.HasSuffix(r.Pattern, pattern)
			})
		})
	}
}

// A gateway with a fault differs from the document, and what is shown of it is a
// document with that operation and little else.
func TestFaultsAreFound(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(*gateway)
		kind  string
		in    string // the smallest document
		most  int    // lines of it
	}{
		{"any key", at("GET", "/posts", func(r *access.Route) { r.Access, r.Scopes = access.Authenticated, nil }), wider, "/posts:", 17},
		{"one scope of two", at("POST", "/posts", func(r *access.Route) { r.Scopes[0] = r.Scopes[0][:1] }), wider, "post:", 19},
		{"another scope beside", at("GET", "/posts", func(r *access.Route) { r.Scopes = append(r.Scopes, []string{"zz:other"}) }), wider, "get:", 17},
		{"without a key", at("GET", "/{id}", func(r *access.Route) { r.Access = access.Public }), wider, "/posts/{id}:", 17},
		{"a neighbour takes a denied one", without("GET", "/drafts"), wider, "/posts/drafts:", 26},
		{"a denied one is open", at("DELETE", "}", func(r *access.Route) { r.Access = access.Authenticated }), wider, "delete:", 22},
		{"HEAD follows GET although it has its own", without("HEAD", "/health"), wider, "head:", 18},
		{"a method more", at("GET", "/posts", func(r *access.Route) { r.Methods = append(r.Methods, "PUT") }), wider, "/posts:", 17},
		{"a scope more", at("GET", "/posts", func(r *access.Route) { r.Scopes[0] = append(r.Scopes[0], "zz:another") }), lost, "/posts:", 17},
		{"an alternative less", at("POST", "/posts", func(r *access.Route) { r.Scopes = r.Scopes[1:] }), lost, "post:", 22},
		{"no route", without("POST", ":publish"), lost, "publish:", 19},
		{"one of two that cross", without("GET", "/drafts/likes"), wider, "/likes:", 22},
		{"a look-alike without a finding", func(g *gateway) { delete(g.findings, "GET /v1/feed.{format}") }, lost, "/feed.{format}:", 20},
		{"no finding", func(g *gateway) { delete(g.findings, "GET /v1/files/{a}{b}") }, lost, "/files/", 20},
		{"a finding for nothing", func(g *gateway) { g.findings["GET /v1/health"] = lint.Unmappable }, unexplained, "/health:", 17},
		{"a panic", func(*gateway) { panic("a fault") }, panicked, "", 17},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &examiner{folder: t.TempDir(), tally: newTally(), alter: test.fault}
			d, err := e.open("small.yaml", []byte(small))
			if err != nil {
				t.Fatal(err)
			}
			found := e.compare(d, reading{scheme: "key", mapped: true}).found
			i := slices.IndexFunc(found, func(d difference) bool { return d.kind == test.kind })
			if i < 0 {
				t.Fatalf("it is not found; found are %v", found)
			}
			document := e.smallest(t, []byte(small), found[i])
			if lines := strings.Count(document, "\n"); lines > test.most || !strings.Contains(document, test.in) {
				t.Errorf("%d lines are shown:\n%s", lines, document)
			}
		})
	}
}

// A document that is refused for nothing that the page says differs as well.
func TestRefusalIsFound(t *testing.T) {
	e := &examiner{folder: t.TempDir(), tally: newTally()}
	found, err := e.examine("small.yaml", []byte(strings.Replace(small, "    get: {}\n", "    get: {x-keygate-price: 3}\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 || found[0].kind != refused {
		t.Errorf("found are %v", found)
	}
}

// The document of the faults has none by itself.
func TestSmallDocument(t *testing.T) {
	e := &examiner{folder: t.TempDir(), tally: newTally()}
	found, err := e.examine("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		t.Errorf("found are %v", found)
	}
	if e.tally.documents != 1 || e.tally.asWritten != 1 || e.tally.operations != 13 || e.tally.requests < 1000 {
		t.Errorf("counted is %s", e.tally)
	}
}
