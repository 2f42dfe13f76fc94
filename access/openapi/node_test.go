package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func TestAliasesAndMergeKeys(t *testing.T) {
	d := mustRead(t, one(`openapi: 3.1.0
x-item: &item
  get: &op
    security: &open []
  post: {security: *open}
x-costly: &costly {x-keygate-cost: 2, security: [{key: []}]}
x-scoped: &scoped {<<: *costly, security: [{key: [posts:read]}]}
paths:
  /alias: *item
  /operation:
    put: *op
  /merged:
    <<: *item
    get: {<<: *costly}
  /list:
    get: {<<: [*scoped, *costly]}
    put: {<<: [*costly, *scoped]}
components: {securitySchemes: {key: {type: http, scheme: Bearer}}}
`), openapi.Options{})
	const want = `openapi.yaml:3 GET /alias -> GET /alias public
openapi.yaml:5 POST /alias -> POST /alias public
openapi.yaml:11 PUT /operation -> PUT /operation public
openapi.yaml:14 GET /merged -> GET /merged authenticated cost=2
openapi.yaml:5 POST /merged -> POST /merged public
openapi.yaml:16 GET /list -> GET /list posts:read cost=2
openapi.yaml:17 PUT /list -> PUT /list authenticated cost=2
`
	if got := operations(d); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
}

func TestKeys(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"twice":          {"paths:\n  /a:\n    get: {}\n    post: {}\n    get: {}\n", `openapi.yaml:6: has the key "get" twice, first in line 4`},
		"path twice":     {"paths:\n  /a: {}\n  '/a': {}\n", `openapi.yaml:4: has the key "/a" twice, first in line 3`},
		"top":            {"security: []\npaths: {}\nsecurity: [{a: []}]\n", `openapi.yaml:4: has the key "security" twice, first in line 2`},
		"in an alias":    {"x: &x {get: {}, get: {}}\npaths: {/a: *x}\n", `openapi.yaml:2: has the key "get" twice, first in line 2`},
		"in a merge":     {"x: &x {get: {}, get: {}}\npaths: {/a: {<<: *x}}\n", `openapi.yaml:2: has the key "get" twice, first in line 2`},
		"merges":         {"x: &x {}\npaths:\n  /a:\n    <<: *x\n    <<: *x\n", `openapi.yaml:6: has the key "<<" twice, first in line 5`},
		"no text":        {"paths:\n  /a:\n    [get]: {}\n", "openapi.yaml:4: has a key that is no text"},
		"merge of text":  {"paths:\n  /a:\n    <<: get\n", "openapi.yaml:4: << is no mapping of keys to values"},
		"merge circle":   {"paths:\n  /a: &a\n    get: {}\n    <<: *a\n", "openapi.yaml:3: has merge keys that lead in a circle, or too far; accepted: at most 16 in each other"},
		"null path":      {"paths:\n  /a:\n  /b: {}\n", `openapi.yaml:3: path "/a" is no mapping of keys to values`},
		"null operation": {"paths:\n  /a:\n    get:\n", "openapi.yaml:4: operation get is no mapping of keys to values"},
		"alias circle":   {"paths: &p\n  /a: *p\n  /b: {get: {security: []}}\n", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.want == "" {
				mustRead(t, one("openapi: 3.1.0\n"+tt.text), openapi.Options{})
				return
			}
			refused(t, one("openapi: 3.1.0\n"+tt.text), openapi.Options{}, tt.want)
		})
	}
	t.Run("JSON", func(t *testing.T) {
		refused(t, map[string]string{"openapi.json": "{\"openapi\": \"3.1.0\",\n\"paths\": {\"/a\": {\n\"get\": {},\n\n\"get\": {}}}}"}, openapi.Options{},
			`openapi.json:5: has the key "get" twice, first in line 3`)
	})
	t.Run("<< is a key in JSON", func(t *testing.T) {
		refused(t, map[string]string{"openapi.json": `{"openapi": "3.1.0", "paths": {"/a": {"<<": {"get": {}}}}}`}, openapi.Options{},
			"openapi.json:1: has no operation; accepted: at least one, in paths")
	})
}

func TestMergeChains(t *testing.T) {
	chain := func(n int) map[string]string {
		text := "openapi: 3.1.0\nx0: &x0 {get: {security: []}}\n"
		for i := range n - 1 {
			text += fmt.Sprintf("x%d: &x%d {<<: *x%d}\n", i+1, i+1, i)
		}
		return one(text + fmt.Sprintf("paths: {/a: {<<: *x%d}}\n", n-1))
	}
	mustRead(t, chain(16), openapi.Options{})
	refused(t, chain(17), openapi.Options{}, "openapi.yaml:2: has merge keys that lead in a circle, or too far; accepted: at most 16 in each other")
}

// Mappings with many keys are looked up in another way than those with few.
func TestManyKeys(t *testing.T) {
	const start = "openapi: 3.1.0\npaths:\n  /a:\n    get:\n"
	for _, n := range []int{0, 6, 7, 8, 9, 10, 100} {
		text := start + lines(n, "      k%d: 1\n") + "      security: []\n      x-keygate-cost: 1\n"
		d := mustRead(t, one(text), openapi.Options{})
		if got := outcome(&d.Operations[0]); got != "GET /a public cost=1" {
			t.Errorf("%d keys: %s", n, got)
		}
		refused(t, one(text+"      security: []\n"), openapi.Options{},
			fmt.Sprintf(`openapi.yaml:%d: has the key "security" twice, first in line %d`, n+7, n+5))
	}
}

func TestKeysThatDoNotMatterMayBeTwice(t *testing.T) {
	mustRead(t, one("openapi: 3.1.0\npaths: {/a: {get: {security: [], responses: {200: 1, 200: 2}}}}"), openapi.Options{})
}

func TestBounds(t *testing.T) {
	const start = "openapi: 3.1.0\npaths: {/a: {get: {security: []}}}\n"
	nested := func(n int) string {
		return start + "x-deep:\n  " + strings.Repeat("[", n) + "1" + strings.Repeat("]", n)
	}
	mustRead(t, one(nested(255)), openapi.Options{})
	mustRead(t, map[string]string{"openapi.json": `{"openapi": "3.1.0", "paths": {"/a": {"get": {"security": []}}}, "x": ` + strings.Repeat("[", 255) + "1" + strings.Repeat("]", 255) + "}"}, openapi.Options{})
	eight := "openapi: 3.1.0\nx: &x\n  get: &o {security: []}\n  put: *o\n  post: *o\n  head: *o\n  trace: *o\n  patch: *o\n  delete: *o\n  options: *o\npaths:\n"
	if d := mustRead(t, one(eight+lines(12_500, "  /%d: *x\n")), openapi.Options{}); len(d.Operations) != 100_000 {
		t.Errorf("%d operations", len(d.Operations))
	}
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"deep YAML": {one(nested(256)), "openapi.yaml:4: is nested too deep; accepted: at most 256 lists and mappings in each other"},
		"deep JSON": {
			map[string]string{"openapi.json": "{\"a\":\n" + strings.Repeat("[", 256) + "1" + strings.Repeat("]", 256) + "}"},
			"openapi.json:2: is nested too deep; accepted: at most 256 lists and mappings in each other",
		},
		"very deep JSON": {
			map[string]string{"openapi.json": "{\"a\":\n" + strings.Repeat("[", 1<<20)},
			"openapi.json:2: is not JSON: ",
		},
		"very deep YAML": {one(strings.Repeat("[", 1<<20)), "openapi.yaml:1: is not YAML: exceeded max depth of 10000"},
		"merge bomb":     {one(mergeBomb()), "openapi.yaml:2: makes the document too large, with all that aliases, merge keys and $refs repeat; accepted: 2097152 keys and items that matter"},
		"operations": {
			one(eight + lines(12_500, "  /%d: *x\n") + "  /a: {get: {security: []}}\n"),
			"openapi.yaml:12512: is one operation too many; accepted: at most 100000",
		},
		"operation by alias": {
			one("openapi: 3.1.0\nx: &x\n  get: {security: [], " + lines(10_000, "x-%d: 1, ") + "}\npaths:\n" + lines(1000, "  /%d: *x\n")),
			"openapi.yaml:3: makes the document too large, with all that aliases, merge keys and $refs repeat; accepted: 2097152 keys and items that matter",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { refused(t, tt.files, openapi.Options{}, tt.want) })
	}
}

// lines repeats a line with the numbers from 0.
func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// mergeBomb merges ten mappings into each other, each many times.
func mergeBomb() string {
	var b strings.Builder
	b.WriteString("openapi: 3.1.0\nx0: &x0\n  {" + lines(1000, "k%d: 1, ") + "}\n")
	for i := range 6 {
		fmt.Fprintf(&b, "x%d: &x%d {<<: [*x%d%s]}\n", i+1, i+1, i, strings.Repeat(fmt.Sprintf(", *x%d", i), 9999))
	}
	b.WriteString("paths: {/a: {get: {<<: *x6}}}\n")
	return b.String()
}

// Aliases are not expanded: nine levels of nine would be 387 million nodes.
func TestBillionLaughs(t *testing.T) {
	var b strings.Builder
	b.WriteString("openapi: 3.1.0\nx0: &x0 lol\n")
	for i := range 9 {
		fmt.Fprintf(&b, "x%d: &x%d [*x%d%s]\n", i+1, i+1, i, strings.Repeat(fmt.Sprintf(", *x%d", i), 8))
	}
	b.WriteString("paths: {/a: {get: {security: [], responses: *x9}}}\n")
	allocations := testing.AllocsPerRun(1, func() { mustRead(t, one(b.String()), openapi.Options{}) })
	if allocations > 10_000 {
		t.Errorf("%v allocations", allocations)
	}
}
