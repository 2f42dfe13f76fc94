package openapi_test

import (
	"errors"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// What a document denies is denied also where a wider route of the document
// would match the request.
func TestNoWiderRouteServesWhatIsDenied(t *testing.T) {
	const head = `openapi: 3.1.0
info: {title: t, version: "1"}
components:
  securitySchemes:
    key: {type: http, scheme: bearer}
    basic: {type: http, scheme: basic}
paths:
`
	const wide = `
  /users/{id}:
    get: {security: [{key: ["users:read"]}]}
    post: {security: []}
  /users/{id}/{part}:
    get: {security: []}
  /users/{id}/{part}/{more}:
    get: {security: []}
`
	for name, test := range map[string]struct {
		paths  string
		denied []string
		passes []string // besides what the wide routes have anyway
	}{
		"a scope of another form":     {`{"/users/me": {get: {security: [{key: ["Read All"]}]}}}`, []string{"GET /users/me", "HEAD /users/me"}, []string{"POST /users/me"}},
		"no security":                 {`{"/users/me": {post: {}}}`, []string{"POST /users/me"}, []string{"GET /users/me"}},
		"another scheme":              {`{"/users/me": {get: {security: [{basic: []}]}, post: {security: [{basic: []}]}}}`, []string{"GET /users/me", "HEAD /users/me", "POST /users/me"}, nil},
		"HEAD of its own":             {`{"/users/me": {get: {security: [{key: ["users:read"]}]}, head: {}}}`, []string{"HEAD /users/me"}, []string{"GET /users/me"}},
		"a part of a segment":         {`{"/users/{id}.{format}": {get: {}}}`, []string{"GET /users/7.xml", "HEAD /users/7.xml"}, []string{"GET /users/7"}},
		"text after a name":           {`{"/users/{id}:ban": {post: {security: [{key: ["BAN"]}]}}}`, []string{"POST /users/7:ban"}, []string{"POST /users/7"}},
		"two names in a row":          {`{"/users/x{a}{b}": {get: {}}}`, []string{"GET /users/xyz"}, []string{"GET /users/7"}},
		"what must be encoded":        {`{"/users/jürgen": {get: {}}, "/users/a b": {get: {}}}`, []string{"GET /users/j%C3%BCrgen", "GET /users/j%c3%bcrgen", "GET /users/a%20b"}, []string{"GET /users/jurgen"}},
		"what is encoded":             {`{"/users/j%C3%BCrgen": {get: {}}}`, []string{"GET /users/j%C3%BCrgen"}, []string{"GET /users/jurgen"}},
		"brackets and a star":         {`{"/users/a[0]": {get: {}}, "/users/a*b": {get: {}}}`, []string{"GET /users/a[0]", "GET /users/a*b", "GET /users/a%5B0%5D"}, []string{"GET /users/a0"}},
		"a look-alike":                {`{"/users/me": {get: {}}}`, []string{"GET /users/ME", "GET /users/me.json", "GET /users/m%45"}, []string{"GET /users/you"}},
		"below":                       {`{"/users/me/keys": {get: {}}}`, []string{"GET /users/me/keys", "GET /users/ME/Keys"}, []string{"GET /users/me/posts"}},
		"the same under another name": {`{"/users/{user}": {get: {}}}`, []string{"GET /users/7"}, []string{"POST /users/7"}},
		"a query in the path":         {`{"/users/me?all": {get: {}}}`, []string{"GET /users/me"}, []string{"POST /users/me"}},
		"a fragment in the path":      {`{"/users/me#all": {get: {}}}`, []string{"GET /users/me"}, []string{"POST /users/me"}},
		"a segment that is very long": {`{"/users/` + strings.Repeat("a", 300) + `": {get: {}}}`, []string{"GET /users/" + strings.Repeat("a", 300)}, nil},
		"a star that is no last one":  {`{"/users/*/keys": {get: {}}}`, []string{"GET /users/7/keys"}, []string{"GET /users/7"}},
		"a star at the end":           {`{"/users/me/*": {get: {}}}`, []string{"GET /users/me/x", "GET /users/me/x/y", "HEAD /users/me/x/y"}, []string{"GET /users/7/x", "GET /users/7/x/y"}},
		"what RFC 6570 has for more":  {`{"/users/me/{rest+}": {get: {}}}`, []string{"GET /users/me/x"}, []string{"GET /users/7/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			paths := "  " + strings.TrimSuffix(strings.TrimPrefix(test.paths, "{"), "}") + "\n"
			if strings.Contains(paths, "}}, \"/") {
				paths = strings.ReplaceAll(paths, "}}, \"/", "}}\n  \"/")
			}
			text := head + paths + strings.TrimPrefix(wide, "\n")
			d := mustRead(t, one(text), openapi.Options{Scheme: "key"})
			table, err := access.NewTable(d.Routes())
			if err != nil {
				t.Fatal(err)
			}
			open := func(request string) bool {
				method, path, _ := strings.Cut(request, " ")
				r := table.Match(method, path)
				return r != nil && r.Access != "deny"
			}
			for _, request := range test.denied {
				if open(request) {
					t.Errorf("%s is open", request)
				}
			}
			for _, request := range test.passes {
				if !open(request) {
					t.Errorf("%s is closed", request)
				}
			}
		})
	}
}

// Whatever the path of an operation that is denied: no request that a client
// would send for it passes, while wider routes take all there are.
func TestRequestsOfDeniedOperations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	asked := 0
	for range 3000 {
		var template, request strings.Builder
		for range 1 + r.IntN(3) {
			template.WriteString("/")
			request.WriteString("/")
			for range 1 + r.IntN(3) {
				text := pick("a", "B", "{x}", "{a/b}", "{y?}", "{z+}", "*", "*", ":go", ".json", "é", " ", "[0]", "%C3%A9", "}", "~", "|", `"`, ";", "%2F", ".", strings.Repeat("ab", 70))
				template.WriteString(text)
				if strings.HasPrefix(text, "{") && len(text) > 1 || text == "*" {
					text = pick("7", "x.y", "Ä", "a b", "...", "*")
				}
				if text != "%C3%A9" && text != "%2F" {
					text = asSegment.Replace(url.PathEscape(text))
				}
				request.WriteString(text)
			}
		}
		template.WriteString(pick("", "", "/", "?q={q}", "#f"))
		if strings.HasSuffix(template.String(), "/") {
			request.WriteString("/")
		}
		path := request.String()
		requested, _, _ := strings.Cut(strings.ReplaceAll(template.String(), "{y?}", "{y}"), "?")
		requested, _, _ = strings.Cut(requested, "#")
		if access.CheckPath(path) != "" || strings.HasSuffix(requested, "/*") { // which is wide itself
			continue
		}
		document := `{"openapi": "3.1.0", "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}, "paths": {` + jsonText(t, template.String()) +
			`: {"get": {}}, "/*": {"get": {"security": []}}, "/{one}": {"get": {"security": []}}, "/{one}/": {"get": {"security": []}}, "/{one}/{two}": {"get": {"security": []}}}}`
		d := mustRead(t, map[string]string{"openapi.json": document}, openapi.Options{Scheme: "key"})
		if d.Operations[0].Problem == nil {
			t.Fatalf("%s is %s", template.String(), outcome(&d.Operations[0]))
		}
		table, err := access.NewTable(d.Routes())
		if errors.Is(err, access.ErrNoRoutes) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		asked++
		for _, method := range []string{"GET", "HEAD"} {
			if m := table.Match(method, path); m != nil && m.Access != access.Denied {
				t.Fatalf("%s %s is open by %s, and denied as %s", method, path, m, template.String())
			}
		}
	}
	if asked < 500 {
		t.Errorf("only %d requests", asked)
	}
}

// asSegment gives characters back that clients do not percent-encode.
var asSegment = strings.NewReplacer("%5B", "[", "%5D", "]", "%2A", "*")
