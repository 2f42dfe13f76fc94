package openapi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func TestSplitDocument(t *testing.T) {
	files := map[string]string{
		"openapi.yaml": `openapi: 3.1.0
servers: [{url: /v1}]
paths:
  $ref: paths/all.yaml#/paths
components:
  securitySchemes:
    key: {$ref: "./security/schemes.json#/a~1key"}
  pathItems:
    status page: {get: {security: []}}
`,
		"paths/all.yaml": `paths:
  /posts: {$ref: posts.yaml}
  /posts/{id}:
    $ref: posts.yaml#/x-items/~1posts~1%7Bid%7D
    delete: {security: [{key: [posts:delete]}]}
  /status: {$ref: "../openapi.yaml#/components/pathItems/status%20page"}
  /media: {$ref: more/media%20files.json}
components: {securitySchemes: {key: {type: http, scheme: basic}}}
`,
		"paths/posts.yaml": `get: {security: [{key: [posts:read]}]}
x-items:
  /posts/{id}:
    servers: [{url: /v2}]
    get: {security: [{key: [posts:read]}]}
`,
		"paths/more/media files.json": "{\n\"post\": {\"security\": [{\"key\": [\"media:upload\"]}]}}",
		"security/schemes.json":       `{"a/key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}`,
	}
	d := mustRead(t, files, openapi.Options{})
	const want = `paths/posts.yaml:1 GET /v1/posts -> GET /v1/posts posts:read
paths/all.yaml:5 DELETE /v2/posts/{id} -> DELETE /v2/posts/{id} posts:delete
paths/posts.yaml:5 GET /v2/posts/{id} -> GET /v2/posts/{id} posts:read
openapi.yaml:9 GET /v1/status -> GET /v1/status public
paths/more/media files.json:2 POST /v1/media -> POST /v1/media media:upload
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
	if d.KeyHeader != "X-Api-Key" || d.SchemeSource != "openapi.yaml:7" {
		t.Errorf("header %q, scheme at %q", d.KeyHeader, d.SchemeSource)
	}

	// The digest changes with every file.
	for name := range files {
		files[name] += "\n"
		if again := mustRead(t, files, openapi.Options{}); again.Digest == d.Digest {
			t.Errorf("the digest is the same when %s changes", name)
		}
		files[name] = strings.TrimSuffix(files[name], "\n")
	}
	if again := mustRead(t, files, openapi.Options{}); again.Digest != d.Digest {
		t.Error("the digest of the same files is another")
	}
}

func TestRefRefused(t *testing.T) {
	const accepted = "; accepted: #/components/… or a file in the folder of the document, such as paths/posts.yaml or paths/posts.yaml#/item"
	tests := map[string]struct{ ref, want string }{
		"URL":              {"https://example.com/a.yaml", `openapi.yaml:4: $ref "https://example.com/a.yaml" is a URL, and nothing is fetched` + accepted},
		"file URL":         {"file:///etc/passwd", `openapi.yaml:4: $ref "file:///etc/passwd" is a URL, and nothing is fetched` + accepted},
		"no scheme":        {"//example.com/a.yaml", `openapi.yaml:4: $ref "//example.com/a.yaml" is a URL, and nothing is fetched` + accepted},
		"query":            {"a.yaml?b", `openapi.yaml:4: $ref "a.yaml?b" is a URL, and nothing is fetched` + accepted},
		"absolute":         {"/etc/passwd", `openapi.yaml:4: $ref "/etc/passwd" is outside the folder of the document` + accepted},
		"up":               {"../a.yaml", `openapi.yaml:4: $ref "../a.yaml" is outside the folder of the document` + accepted},
		"up, encoded":      {"%2e%2e/a.yaml", `openapi.yaml:4: $ref "%2e%2e/a.yaml" is outside the folder of the document` + accepted},
		"down and up":      {"sub/../../a.yaml", `openapi.yaml:4: $ref "sub/../../a.yaml" is outside the folder of the document` + accepted},
		"empty":            {"", `openapi.yaml:4: $ref "" is no reference` + accepted},
		"bad escape":       {"%zz", `openapi.yaml:4: $ref "%zz" is no reference` + accepted},
		"anchor":           {"#a", `openapi.yaml:4: $ref "#a" has a fragment that does not start with a slash` + accepted},
		"no file":          {"none.yaml", `openapi.yaml:4: $ref "none.yaml" cannot be read: `},
		"NUL":              {"a%00.yaml", `openapi.yaml:4: $ref "a%00.yaml" cannot be read: `},
		"folder":           {"sub", `openapi.yaml:4: $ref "sub" cannot be read: not a regular file`},
		"no key":           {"sub/item.yaml#/a/c", `openapi.yaml:4: $ref "sub/item.yaml#/a/c" refers to nothing: sub/item.yaml:2 has no key "c"`},
		"no mapping":       {"sub/item.yaml#/a/b/c", `sub/item.yaml:2: what $ref "sub/item.yaml#/a/b/c" at openapi.yaml:4 goes through is no mapping of keys to values`},
		"to text":          {"sub/item.yaml#/a/b", `sub/item.yaml:2: path "/a" is no mapping of keys to values`},
		"broken file":      {"sub/broken.yaml", `sub/broken.yaml:2: is not YAML: did not find expected node content`},
		"to itself":        {"#/paths/~1a", `openapi.yaml:4: $ref leads in a circle, back to openapi.yaml:4`},
		"circle of files":  {"sub/circle.yaml", `sub/circle.yaml:1: $ref leads in a circle, back to openapi.yaml:4`},
		"method twice":     {"sub/twice.yaml", `openapi.yaml:5: "get" is also in what the $ref refers to, at sub/twice.yaml:2; accepted: one of them`},
		"link out":         {"link.yaml", `openapi.yaml:4: $ref "link.yaml" cannot be read: `},
		"folder link out":  {"linked/secret.yaml", `openapi.yaml:4: $ref "linked/secret.yaml" cannot be read: `},
		"absolute link in": {"absolute.yaml", `openapi.yaml:4: $ref "absolute.yaml" cannot be read: `},
		"link in":          {"inside.yaml", ""},
	}
	outside := filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(outside, []byte("post: {security: []}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, map[string]string{
				"openapi.yaml":    fmt.Sprintf("openapi: 3.1.0\npaths:\n  /a:\n    $ref: %q\n    get: {security: []}\n", tt.ref),
				"sub/item.yaml":   "post: {security: []}\na: {b: 1}\n",
				"sub/broken.yaml": "a: 1\nb: ]\n",
				"sub/circle.yaml": "$ref: ../openapi.yaml#/paths/~1a\n",
				"sub/twice.yaml":  "\nget: {security: []}\n",
			})
			folder := filepath.Dir(path)
			for link, target := range map[string]string{
				"link.yaml":     outside,
				"linked":        filepath.Dir(outside),
				"absolute.yaml": filepath.Join(folder, "sub/item.yaml"),
				"inside.yaml":   "sub/item.yaml",
			} {
				if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
					t.Fatal(err)
				}
			}
			d, err := openapi.Read(path, openapi.Options{})
			if tt.want == "" {
				if err != nil || len(d.Operations) != 2 {
					t.Fatalf("Read = %v, %v", d, err)
				}
				return
			}
			if !isRefusal(err, tt.want) {
				t.Errorf("Read:\n got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestRefElsewhere(t *testing.T) {
	const key = "components: {securitySchemes: {key: {type: http, scheme: bearer}}}\n"
	tests := map[string]struct{ text, want string }{
		"operation": {"security: []\npaths:\n  /a:\n    get:\n      $ref: get.yaml\n", `openapi.yaml:6: $ref "get.yaml" cannot be read: `},
		"operation, security twice": {
			key + "paths:\n  /a:\n    get:\n      $ref: '#/x'\n      security: [{key: []}]\nx:\n  security: []\n",
			`openapi.yaml:7: "security" is also in what the $ref refers to, at openapi.yaml:9; accepted: one of them`,
		},
		"operation, cost twice": {
			"security: []\npaths:\n  /a:\n    get:\n      $ref: '#/x'\n      x-keygate-cost: 1\nx:\n  x-keygate-cost: 2\n",
			`openapi.yaml:7: "x-keygate-cost" is also in what the $ref refers to, at openapi.yaml:9; accepted: one of them`,
		},
		"security":    {"paths:\n  /a:\n    get: {security: {$ref: a.yaml}}\n", "openapi.yaml:4: security is no list"},
		"requirement": {key + "paths:\n  /a:\n    get: {security: [$ref: a.yaml]}\n", `openapi.yaml:5: security scheme "$ref" is not declared; accepted: "key"`},
		"schemes":     {"components: {securitySchemes: {$ref: a.yaml}}\npaths: {}\n", `openapi.yaml:2: $ref "a.yaml" cannot be read: `},
		"servers":     {"servers:\n - $ref: a.yaml\npaths: {}\n", "openapi.yaml:3: server has no url; accepted: a URL such as https://api.example.com/v1, or /v1; or set base_path"},
		"paths twice": {"paths:\n  $ref: '#/x'\n  /a: {}\nx:\n  /a: {}\n", `openapi.yaml:4: "/a" is also in what the $ref refers to, at openapi.yaml:6; accepted: one of them`},
		"servers twice": {
			"paths:\n  /a:\n    $ref: '#/x'\n    servers: []\n    get: {}\nx:\n  servers: []\n",
			`openapi.yaml:5: "servers" is also in what the $ref refers to, at openapi.yaml:8; accepted: one of them`,
		},
		"no text": {"paths:\n  $ref: [a]\n", `openapi.yaml:3: $ref "" is no reference; accepted: #/components/… or a file in the folder of the document, such as paths/posts.yaml or paths/posts.yaml#/item`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { refused(t, one("openapi: 3.1.0\n"+tt.text), openapi.Options{}, tt.want) })
	}
}

// What a document says for all operations does not count where the operation
// says it, in what its $ref refers to.
func TestRefOfAnOperation(t *testing.T) {
	d := mustRead(t, map[string]string{
		"openapi.yaml": `openapi: 3.0.0
components: {securitySchemes: {key: {type: http, scheme: bearer}}}
security: [{key: []}]
paths:
  /posts:
    get: {$ref: operations/list.yaml}
    post:
      $ref: operations/all.yaml#/create
      security: [{key: [posts:write]}]
    put: {$ref: "#/x-none"}
x-none: {summary: Nothing of security}
`,
		"operations/list.yaml": "servers: [{url: /v1}]\nsecurity: [{key: [posts:read]}]\n",
		"operations/all.yaml":  "create: {x-keygate-cost: 5}\n",
	}, openapi.Options{})
	const want = `openapi.yaml:6 GET /v1/posts -> GET /v1/posts posts:read
openapi.yaml:7 POST /posts -> POST /posts posts:write cost=5
openapi.yaml:10 PUT /posts -> PUT /posts authenticated
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
}

func TestRefChains(t *testing.T) {
	chain := func(n int) map[string]string {
		text := "openapi: 3.1.0\npaths:\n  /a: {$ref: '#/x0'}\n"
		for i := range n - 1 {
			text += fmt.Sprintf("x%d: {$ref: '#/x%d'}\n", i, i+1)
		}
		return one(text + fmt.Sprintf("x%d: {get: {security: []}}\n", n-1))
	}
	mustRead(t, chain(16), openapi.Options{})
	refused(t, chain(17), openapi.Options{}, "openapi.yaml:19: $ref is too far from the first; accepted: at most 16 that lead to each other")
}

func TestFileBounds(t *testing.T) {
	files := map[string]string{}
	var b strings.Builder
	b.WriteString("openapi: 3.1.0\npaths:\n")
	for i := range 1000 {
		files[fmt.Sprintf("%d.yaml", i)] = "get: {security: []}"
		fmt.Fprintf(&b, "  /%d: {$ref: %d.yaml}\n", i, i)
	}
	files["openapi.yaml"] = b.String()
	refused(t, files, openapi.Options{}, `openapi.yaml:1002: $ref "999.yaml" is one file too many; accepted: at most 1000`)

	files["openapi.yaml"] = strings.Replace(b.String(), "  /999: {$ref: 999.yaml}\n", "  /999: {$ref: 998.yaml}\n", 1)
	if d := mustRead(t, files, openapi.Options{}); len(d.Operations) != 1000 {
		t.Errorf("%d operations in 1000 files", len(d.Operations))
	}

	// The files count together: the last one alone would not be too large.
	const entry = "openapi: 3.1.0\npaths:\n  /a: {$ref: a.yaml}\n"
	path := write(t, map[string]string{"openapi.yaml": entry, "a.yaml": ""})
	for size, want := range map[int64]string{
		32<<20 - int64(len(entry)):     "a.yaml:1: is not YAML: control characters are not allowed", // but not too large
		32<<20 - int64(len(entry)) + 1: `openapi.yaml:3: $ref "a.yaml" is too large; accepted: at most 32 MiB in all files of the document`,
		32 << 20:                       `openapi.yaml:3: $ref "a.yaml" is too large; accepted: at most 32 MiB in all files of the document`,
		33 << 20:                       `openapi.yaml:3: $ref "a.yaml" is too large; accepted: at most 32 MiB in all files of the document`,
	} {
		if err := os.Truncate(filepath.Join(filepath.Dir(path), "a.yaml"), size); err != nil {
			t.Fatal(err)
		}
		if _, err := openapi.Read(path, openapi.Options{}); err == nil || err.Error() != want {
			t.Errorf("%d bytes: Read = %v, want %s", size, err, want)
		}
	}
}

// Security schemes may be in another file: each, all of them, or all components.
func TestSchemesElsewhere(t *testing.T) {
	const head, paths = "openapi: 3.1.0\nsecurity: [{key: [a:b]}]\npaths: {/a: {get: {}}}\n", "key: {type: http, scheme: bearer}\n"
	for name, files := range map[string]map[string]string{
		"each":       {"openapi.yaml": head + "components: {securitySchemes: {key: {$ref: 'more/s.yaml#/key'}}}\n", "more/s.yaml": paths},
		"all":        {"openapi.yaml": head + "components: {securitySchemes: {$ref: 'more/s.yaml'}}\n", "more/s.yaml": paths},
		"components": {"openapi.yaml": head + "components: {$ref: 'more/c.yaml'}\n", "more/c.yaml": "securitySchemes: {$ref: 's.yaml'}\n", "more/s.yaml": paths},
		"beside":     {"openapi.yaml": head + "components: {securitySchemes: {other: {type: http, scheme: basic}, $ref: 'more/s.yaml'}}\n", "more/s.yaml": paths},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustRead(t, files, openapi.Options{})
			if got := outcome(&d.Operations[0]); got != "GET /a a:b" || d.Scheme != "key" {
				t.Errorf("it becomes %s by %q", got, d.Scheme)
			}
		})
	}
	refused(t, map[string]string{"openapi.yaml": head + "components: {securitySchemes: {key: {}, $ref: s.yaml}}\n", "s.yaml": paths}, openapi.Options{},
		`openapi.yaml:4: "key" is also in what the $ref refers to, at s.yaml:1; accepted: one of them`)
}
