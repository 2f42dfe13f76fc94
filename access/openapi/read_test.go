package openapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// posts is a document that has most of what matters.
const posts = `openapi: 3.0.3
info: {title: Posts, version: "1"}
servers:
  - url: https://{host}/{version}/
    variables:
      host: {default: api.example.com}
      version: {default: v1, enum: [v1, v2]}
security:
  - oauth: [posts:read]
paths:
  /posts:
    get: {summary: lists}
    post:
      x-keygate-cost: 3
      security:
        - oauth: [posts:write, media:upload]
        - oauth: [posts:approve]
        - basic: []
  /posts/{post id}/:
    parameters: []
    delete: {security: [{oauth: [posts:delete], basic: []}]}
    x-other: {get: 1}
  x-paths: 1
  /me:
    get: {security: [{oauth: []}, {oauth: [posts:read]}]}
  /status:
    head: {security: []}
    options: {security: [{oauth: [posts:read]}, {}]}
  /live:
    get: {x-keygate-websocket: true}
    patch: {x-keygate-websocket: false}
    put: {security: [{basic: []}]}
    trace: {}
components:
  securitySchemes:
    basic: {type: http, scheme: basic}
    oauth:
      type: oauth2
      flows:
        x-flow: 1
        implicit:
          scopes:
            posts:read: Read posts
            posts:write: Write them
        clientCredentials:
          scopes: {posts:read: again, posts:approve: Approve}
        password: {}
`

const postsOperations = `openapi.yaml:12 GET /v1/posts -> GET /v1/posts posts:read
openapi.yaml:13 POST /v1/posts -> POST /v1/posts media:upload posts:write | posts:approve cost=3
openapi.yaml:21 DELETE /v1/posts/{post id}/ -> DELETE /v1/posts/{post_id}/ posts:delete
openapi.yaml:25 GET /v1/me -> GET /v1/me authenticated
openapi.yaml:27 HEAD /v1/status -> HEAD /v1/status public
openapi.yaml:28 OPTIONS /v1/status -> OPTIONS /v1/status public
openapi.yaml:30 GET /v1/live -> GET /v1/live posts:read websocket
openapi.yaml:31 PATCH /v1/live -> PATCH /v1/live posts:read
openapi.yaml:32 PUT /v1/live -> unmappable: no requirement names the scheme "oauth"; write its route in keygate, with what it needs in place of deny: deny PUT /v1/live
openapi.yaml:33 TRACE /v1/live -> unmappable: the gateway refuses TRACE, whatever the route; remove it from the document
`

func TestRead(t *testing.T) {
	path := write(t, one(posts))
	d, err := openapi.Read(path, openapi.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := operations(d); got != postsOperations {
		t.Errorf("operations:\n%s\nwant:\n%s", got, postsOperations)
	}
	sum := sha256.Sum256([]byte(posts))
	want := &openapi.Document{
		File:         path,
		Digest:       hex.EncodeToString(sum[:]),
		Operations:   d.Operations,
		Scheme:       "oauth",
		SchemeSource: "openapi.yaml:37",
		Declared: []openapi.DeclaredScope{
			{"posts:read", "openapi.yaml:43", []string{"posts:read"}},
			{"posts:write", "openapi.yaml:44", []string{"posts:write"}},
			{"posts:approve", "openapi.yaml:46", []string{"posts:approve"}},
		},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("document:\n got %+v\nwant %+v", d, want)
	}
	routes := d.Routes()
	if len(routes) != 9 || routes[8].Access != access.Denied || slices.ContainsFunc(routes, func(r access.Route) bool { return !r.Imported || r.Source == "" }) {
		t.Errorf("routes: %+v", routes)
	}
	if _, err := access.NewTable(routes); err != nil {
		t.Error(err)
	}
}

// The keys of the JSON are sorted, so the operations are in another order.
func TestJSONAndYAMLAreAlike(t *testing.T) {
	plain := func(files map[string]string) []string {
		d := mustRead(t, files, openapi.Options{})
		var lines []string
		for i := range d.Operations {
			o := &d.Operations[i]
			lines = append(lines, o.Method+" "+o.Path+" -> "+outcome(o))
		}
		for _, s := range d.Declared {
			lines = append(lines, s.Scope)
		}
		slices.Sort(lines)
		return lines
	}
	fromYAML := plain(one(posts))
	asJSON := toJSON(t, posts)
	for _, name := range []string{"openapi.json", "openapi.yaml"} {
		if got := plain(map[string]string{name: asJSON}); !slices.Equal(got, fromYAML) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(fromYAML, "\n"))
		}
	}
	if got := plain(map[string]string{"openapi.json": "\ufeff" + asJSON}); !slices.Equal(got, fromYAML) {
		t.Errorf("with a byte order mark: %s", got)
	}
}

func TestJSONLines(t *testing.T) {
	d := mustRead(t, map[string]string{"openapi.json": `{
  "openapi": "3.1.0", "info": {"title": "\ud83d\ude00 \u0041"},

  "paths": {
    "/\ud83d\ude00":
      {"get": {"security": []}},
    "/b": {
      "post": {"security": [

      ], "x-keygate-cost": 7}
    , "get"
      : {"security": []}}}}
`}, openapi.Options{})
	const want = `openapi.json:6 GET /😀 -> unmappable: pattern "/\U0001f600" has the segment "\U0001f600"; accepted in a segment: A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) + , = : @, or {name} for any one segment; serve it at another path
openapi.json:8 POST /b -> POST /b public cost=7
openapi.json:11 GET /b -> GET /b public
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
}

func TestSyntaxErrors(t *testing.T) {
	tests := map[string]struct{ name, text, want string }{
		"YAML, scanner":            {"openapi.yaml", "a: 1\nb: c: d\n", "openapi.yaml:2: is not YAML: mapping values are not allowed in this context"},
		"YAML, scanner, last line": {"openapi.yaml", "a: 1\nb: @", "openapi.yaml:2: is not YAML: found character that cannot start any token"},
		"YAML, parser":             {"openapi.yaml", "a: 1\nb: ]\nc: 1\n", "openapi.yaml:2: is not YAML: did not find expected node content"},
		"YAML, unclosed list":      {"openapi.yaml", "a: 1\nb: [1\nc: 2\n", "openapi.yaml:2: is not YAML: did not find expected ',' or ']'"},
		"YAML, list in a mapping":  {"openapi.yaml", "a: 1\n- b\n", "openapi.yaml:2: is not YAML: did not find expected key"},
		"YAML, first line":         {"openapi.yaml", "a: @x\nb: 1\n", "openapi.yaml:1: is not YAML: found character that cannot start any token"},
		"YAML, one line":           {"openapi.yaml", "[1,2", "openapi.yaml:1: is not YAML: did not find expected ',' or ']'"},
		"YAML, tab":                {"openapi.yaml", "a: 1\n\tb: 2\n", "openapi.yaml:2: is not YAML: found a tab character that violates indentation"},
		"YAML, anchor":             {"openapi.yaml", "a: 1\nb:\n  c: *x\n", "openapi.yaml:3: is not YAML: unknown anchor 'x' referenced"},
		"YAML, control character":  {"openapi.yaml", "a: ä\n\n\nb: \x01\n", "openapi.yaml:4: is not YAML: control characters are not allowed"},
		"YAML, not UTF-8":          {"openapi.yaml", "a: 1\nb: \xff\n", "openapi.yaml:2: is not YAML: invalid leading UTF-8 octet"},
		"YAML, two documents":      {"openapi.yaml", "a: 1\n---\nb: 1\n", "openapi.yaml:2: begins a second YAML document; accepted: one in a file"},
		"YAML, broken second":      {"openapi.yaml", "a: 1\n---\nb: @\n", "openapi.yaml:3: is not YAML: found character that cannot start any token"},
		"YAML, empty":              {"openapi.yaml", "\n# nothing\n", "openapi.yaml:1: is empty; accepted: an OpenAPI document, or a part of one"},
		"JSON":                     {"openapi.json", "{\n  \"a\": 1,\n  \"b\" 2}\n", "openapi.json:3: is not JSON: "},
		"JSON, line break":         {"openapi.json", "{\n  \"a\n\": 1}", "openapi.json:2: is not JSON: "},
		"JSON, end":                {"openapi.json", "{\n  \"a\": [1,\n", "openapi.json:2: is not JSON: "},
		"JSON, two":                {"openapi.json", "{}\n{}", "openapi.json:2: is not JSON: "},
		"JSON, empty":              {"openapi.json", "", "openapi.json:1: is not JSON: "},
		"JSON in YAML":             {"openapi.yaml", " \n{\n a: 1}", "openapi.yaml:3: is not JSON: "},
		"a number":                 {"openapi.yaml", "\n1\n", "openapi.yaml:2: the document is no mapping of keys to values"},
		"a list":                   {"openapi.json", "[]", "openapi.json:1: the document is no mapping of keys to values"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, map[string]string{tt.name: tt.text}, openapi.Options{}, tt.want)
		})
	}
}

func TestVersions(t *testing.T) {
	const rest = "\npaths: {/a: {get: {security: []}}}\n"
	for _, accepted := range []string{"3.0.0", "3.0.4", "3.1.0", `"3.1.1"`, "3.1.0-rc1", "3.2.0"} {
		mustRead(t, one("openapi: "+accepted+rest), openapi.Options{})
	}
	const accepted = "; accepted: openapi 3.0.x, 3.1.x or 3.2.x"
	tests := map[string]string{
		"info: {}\nswagger: '2.0'": `openapi.yaml:2: is Swagger "2.0"` + accepted,
		"openapi: 3.3.0":           `openapi.yaml:1: openapi "3.3.0" is not known` + accepted,
		"openapi: 3.1":             `openapi.yaml:1: openapi "3.1" is not known` + accepted,
		"openapi: 13.1.0":          `openapi.yaml:1: openapi "13.1.0" is not known` + accepted,
		"openapi: {}":              `openapi.yaml:1: openapi "" is not known` + accepted,
		"info: {}":                 `openapi.yaml:1: is no OpenAPI document, as it has no key openapi` + accepted,
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) { refused(t, one(text+rest), openapi.Options{}, want) })
	}
}

func TestNoOperations(t *testing.T) {
	for _, text := range []string{"", "paths: {}", "paths: {/a: {}}", "paths: {/a: {GET: {}, summary: x}}", "webhooks: {a: {get: {}}}"} {
		t.Run(text, func(t *testing.T) {
			refused(t, one("openapi: 3.1.0\n"+text), openapi.Options{},
				"openapi.yaml:1: has no operation; accepted: at least one, in paths")
		})
	}
}

func TestUnreadable(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"none.yaml":     "the document cannot be read: ",
		"none/api.yaml": "cannot be read: ",
		"sub":           "the document cannot be read: not a regular file",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(folder, name)
			_, err := openapi.Read(path, openapi.Options{})
			if _, cause := os.Stat(path); cause != nil { // told without the name, which comes first
				want += errors.Unwrap(cause).Error()
			}
			if err == nil || err.Error() != path+": "+want {
				t.Errorf("Read = %v, want %s", err, want)
			}
		})
	}
}
