package lint

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// route reads "GET,PUT /a posts:write media:upload | posts:approve", with
// public or authenticated in place of scopes.
func route(source, line string) access.Route {
	methods, rest, _ := strings.Cut(line, " ")
	pattern, need, _ := strings.Cut(rest, " ")
	r := access.Route{Methods: strings.Split(methods, ","), Pattern: pattern, Source: source}
	switch need {
	case "public", "authenticated":
		r.Access = access.Access(need)
	default:
		for set := range strings.SplitSeq(need, " | ") {
			r.Scopes = append(r.Scopes, strings.Fields(set))
		}
	}
	return r
}

// written makes routes of Caddyfile:1, Caddyfile:2 and so on.
func written(lines ...string) []access.Route {
	var routes []access.Route
	for i, line := range lines {
		routes = append(routes, route(fmt.Sprint("Caddyfile:", i+1), line))
	}
	return routes
}

// document makes operations of api.yaml:1, api.yaml:2 and so on. Those whose
// need is "!kind" have a problem instead of a route.
func document(lines ...string) *openapi.Document {
	d := &openapi.Document{File: "api.yaml"}
	for i, line := range lines {
		source := fmt.Sprint("api.yaml:", i+1)
		if operation, kind, ok := strings.Cut(line, " !"); ok {
			method, path, _ := strings.Cut(operation, " ")
			o := openapi.Operation{
				Method: method, Path: path, Source: source,
				Problem: &openapi.Problem{Kind: openapi.Kind(kind), Text: "is wrong"},
			}
			r := access.Route{Methods: []string{method}, Pattern: asRequested(path), Access: access.Denied, Source: source, Imported: true}
			if r.Check() == nil {
				o.Route = &r
			}
			d.Operations = append(d.Operations, o)
			continue
		}
		r := route(source, line)
		r.Imported = true
		d.Operations = append(d.Operations, openapi.Operation{Method: r.Methods[0], Path: r.Pattern, Source: source, Route: &r})
	}
	return d
}

// asRequested makes of a path what package openapi makes of it.
func asRequested(path string) string {
	n := 0
	path = parameters.ReplaceAllStringFunc(path, func(string) string { n++; return fmt.Sprintf("{p%d}", n) })
	return strings.NewReplacer("é", "%C3%A9", "/*/", "/{any}/").Replace(path)
}

var parameters = regexp.MustCompile(`(\{[^}]*\})+`)

func with(d *openapi.Document, change func(*openapi.Document)) *openapi.Document {
	change(d)
	return d
}

func declared(scope, source string) openapi.DeclaredScope {
	return openapi.DeclaredScope{Scope: scope, Source: source, Keys: []string{scope}}
}

func gateway(routes []access.Route, documents ...*openapi.Document) Mapping {
	return Mapping{Routes: routes, Documents: documents}
}

var ids = []apikey.ID{id("7Hk2Qp9aX3bC"), id("000000000001")}

func id(s string) apikey.ID {
	id, err := apikey.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

// check runs a table of gateways for the findings of the codes, each as
// "where: problem".
func check(t *testing.T, codes []Code, tests map[string]lintTest) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range Check(test.gateways, test.held) {
				if slices.Contains(codes, f.Code) {
					got = append(got, f.Where+": "+f.Problem)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("findings:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

type lintTest struct {
	gateways []Mapping
	held     []HeldScope
	want     []string
}

func one(g Mapping, want ...string) lintTest { return lintTest{gateways: []Mapping{g}, want: want} }

// One config with something of everything.
func TestCheckInOrder(t *testing.T) {
	api := with(document(
		"GET /v1/posts posts:read",
		"POST /v1/posts posts:write",
		"GET /v1/posts/{id} posts:read",
		"POST /v1/posts/{id}/approve posts:approve",
		"POST /v1/posts/search posts:read",
		"GET /v1/me !no_security",
		"GET /v1//feeds !ambiguous_path",
		"GET /v1/files/{name}.{ext} !unmappable",
		"TRACE /v1/posts !unmappable",
		"GET /v1/status public",
	), func(d *openapi.Document) {
		d.KeyHeader, d.SchemeSource = "X-Api-Key", "api.yaml:40"
		d.Declared = []openapi.DeclaredScope{declared("posts:read", "api.yaml:41"), declared("feeds:read", "api.yaml:42")}
	})
	site := gateway(written(
		"GET /v1/files/{file} media:upload",
		"GET /v1/posts/drafts posts:write",
		"GET /v1/Status public",
		"PUT /v1/posts posts:write",
	), api)
	held := []HeldScope{{Scope: "posts:read", Keys: ids, Count: 2}, {Scope: "posts:wrte", Keys: ids, Count: 3}}

	want := []string{
		` useless_key_scope posts:wrte is held by 3 keys and opens nothing (did you mean posts:write?): 7Hk2Qp9aX3bC, 000000000001, …; give each the scopes that it is to have: caddy keygate update 7Hk2Qp9aX3bC --scope <scopes>`,
		`Caddyfile:3 unknown_route GET /v1/Status is in no document; write it as GET /v1/status (api.yaml:10): case counts, and so does a slash at the end`,
		`Caddyfile:4 unknown_route PUT /v1/posts is in no document, only with GET, POST; correct the method, or remove the route`,
		`api.yaml:3 shadowed GET /v1/posts/{id} loses some requests to the route GET /v1/posts/drafts (Caddyfile:2), which needs posts:write where the document has posts:read; if that is not meant, remove the route or make it narrower`,
		`api.yaml:5 read_scope_writes POST /v1/posts/search can write and is open to keys with posts:read alone; name a scope for writing`,
		`api.yaml:6 no_security GET /v1/me: is wrong`,
		`api.yaml:7 ambiguous_path GET /v1//feeds: is wrong`,
		`api.yaml:9 unmappable TRACE /v1/posts: is wrong`,
		`api.yaml:40 key_header clients are told to send their key in X-Api-Key, which is not read; write in keygate: header X-Api-Key`,
		`api.yaml:42 unused_scope feeds:read is declared, and no route needs it; name it where it is needed, or remove it`,
	}
	// The same site twice says nothing new.
	for _, gateways := range [][]Mapping{{site}, {site, site}} {
		var got []string
		for _, f := range Check(gateways, held) {
			got = append(got, f.Where+" "+string(f.Code)+" "+f.Problem)
		}
		if !slices.Equal(got, want) {
			t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestSorted(t *testing.T) {
	f := findings{
		{"b", "b:2", "x"},
		{"a", "a/z.yaml:10", "x"},
		{"b", "a/z.yaml:9", "x"},
		{"a", "a/z.yaml:9", "y"},
		{"a", "a/z.yaml:9", "x"},
		{"a", "a/z.yaml", "x"},
		{"a", "", "x"},
		{"b", "b:2", "x"},
		{"a", "C:/x:y", "x"},
	}
	want := findings{
		{"a", "", "x"},
		{"a", "C:/x:y", "x"},
		{"a", "a/z.yaml", "x"},
		{"a", "a/z.yaml:9", "x"},
		{"a", "a/z.yaml:9", "y"},
		{"b", "a/z.yaml:9", "x"},
		{"a", "a/z.yaml:10", "x"},
		{"b", "b:2", "x"},
	}
	if got := f.sorted(); !slices.Equal(got, want) {
		t.Errorf("sorted: %v, want %v", got, want)
	}
}

func TestOneLine(t *testing.T) {
	g := gateway(nil, document("GET /v1/a\nb\x1b[31m\u0085\u2028é !unmappable"))
	got := Check([]Mapping{g}, nil)
	if want := `GET /v1/a\u000ab\u001b[31m\u0085\u2028é: is wrong`; len(got) != 1 || got[0].Problem != want {
		t.Errorf("findings %q, want %q", got, want)
	}
}

// Of all characters, control characters and separators of lines are escaped, and
// no others: DEL, the two ends of C1, U+2028 and U+2029 among them.
func TestOneLineOfEveryCharacter(t *testing.T) {
	for r := range rune(0x3000) {
		want := "a" + string(r) + "b"
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			want = fmt.Sprintf(`a\u%04xb`, r)
		}
		if got := oneLine("a" + string(r) + "b"); got != want {
			t.Errorf("%U becomes %q, want %q", r, got, want)
		}
	}
}

func TestNothingToFind(t *testing.T) {
	for name, gateways := range map[string][]Mapping{
		"no gateway": nil,
		"no routes":  {gateway(nil, document())},
		"all agrees": {gateway(written("GET /a x:read"), with(document("PUT /a x:write", "HEAD /a !no_security"), func(d *openapi.Document) {
			d.Declared = []openapi.DeclaredScope{declared("x:read", "api.yaml:9"), declared("x:write", "api.yaml:10")}
		}))},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(Check(gateways, nil))
			if err != nil || string(text) != "[]" {
				t.Errorf("findings %s, %v", text, err)
			}
		})
	}
}
