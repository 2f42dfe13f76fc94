package openapi_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// allocations returns how many Read makes of a document, and of how many bytes.
func allocations(t *testing.T, name, text string) (n, size uint64) {
	t.Helper()
	path := write(t, map[string]string{name: text})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := openapi.Read(path, openapi.Options{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
}

// Schemas say nothing of who may call: in JSON they are passed over.
func TestSchemasOfJSONMakeNothing(t *testing.T) {
	with := func(schemas int) string {
		var b strings.Builder
		b.WriteString(`{"openapi":"3.1.0","paths":{"/a":{"get":{"security":[],"responses":{"200":[`)
		for i := range schemas {
			fmt.Fprintf(&b, `{"type":"object","properties":{"p%d":{"enum":["a","b{[\"",1,null]}}},`, i)
		}
		b.WriteString(`{}]}}}}}`)
		return b.String()
	}
	few, _ := allocations(t, "openapi.json", with(1))
	text := with(20_000)
	many, size := allocations(t, "openapi.json", text)
	if many > few+100 {
		t.Errorf("%d allocations with 20,000 schemas, %d with one", many, few)
	}
	if most := uint64(4 * len(text)); size > most {
		t.Errorf("%d bytes for a document of %d", size, len(text))
	}
}

// largestSecurity is what one operation may need at most.
func largestSecurity(alternatives, scopes int) string {
	var all []string
	for i := range alternatives {
		var set []string
		for j := range scopes {
			set = append(set, fmt.Sprintf(`"alternative%d:scope%d"`, i, j))
		}
		all = append(all, `{"key":[`+strings.Join(set, ",")+`]}`)
	}
	return "[" + strings.Join(all, ",") + "]"
}

// What all operations need in common is read, checked and kept once.
func TestSecurityOfTheDocumentIsKeptOnce(t *testing.T) {
	with := func(security string, operations int) string {
		var b strings.Builder
		b.WriteString(`{"openapi":"3.1.0","components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}},"security":` + security + `,"paths":{`)
		for i := range operations {
			fmt.Fprintf(&b, `"/a%d":{"get":{}},`, i)
		}
		b.WriteString(`"/a":{"get":{}}}}`)
		return b.String()
	}
	for name, test := range map[string]struct{ alternatives, scopes int }{
		"as many as can be": {16, 64},
		"too many":          {16, 3000},
	} {
		t.Run(name, func(t *testing.T) {
			_, small := allocations(t, "openapi.json", with(largestSecurity(1, 1), 2000))
			_, large := allocations(t, "openapi.json", with(largestSecurity(test.alternatives, test.scopes), 2000))
			_, alone := allocations(t, "openapi.json", with(largestSecurity(test.alternatives, test.scopes), 1))
			if large > 2*(small+alone) {
				t.Errorf("%d bytes for 2,000 operations; %d if they need little, and %d for one", large, small, alone)
			}
		})
	}
}

// Scopes that would all be called the same get numbers, and are not counted
// anew for each.
func TestProposalsAreNoProduct(t *testing.T) {
	propose := func(scopes int) uint64 {
		var list []string
		for i := range scopes {
			list = append(list, fmt.Sprintf(`"%d"`, i))
		}
		path := write(t, map[string]string{"openapi.json": `{"openapi":"3.1.0","components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}},"paths":{"/a":{"get":{"security":[{"key":[` + strings.Join(list, ",") + `]}]}}}}`})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, p, err := openapi.Propose(path)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		targets := make(map[string]bool)
		for _, m := range p.Options.ScopeMap {
			targets[m.Scopes[0]] = true
		}
		if len(targets) != scopes || !targets[fmt.Sprintf("api:use-%d", scopes)] {
			t.Errorf("%d targets for %d scopes", len(targets), scopes)
		}
		return after.Mallocs - before.Mallocs
	}
	if few, many := propose(500), propose(2000); many > 6*few {
		t.Errorf("%d allocations for 500 scopes, %d for 2,000", few, many)
	}
}

// What would take more than a gigabyte is refused before it does. Of JSON only
// what is looked at takes memory.
func TestDocumentsOfTooManyNodes(t *testing.T) {
	const yaml = "openapi: 3.1.0\npaths: {/a: {get: {security: []}}}\n"
	const json = `{"openapi":"3.1.0","components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}},"paths":{"/a":{"get":{"security":[`
	for name, test := range map[string]struct{ file, text, want string }{
		"items":             {"openapi.yaml", yaml + "x:\n" + strings.Repeat("- a\n", 4<<20), "openapi.yaml:1: makes the document too large; accepted: about 4194304 keys, values and items, or half as many in JSON"},
		"items in brackets": {"openapi.yaml", yaml + "x: [" + strings.Repeat("a,", 2<<20) + "]\n", "openapi.yaml:1: makes the document too large; accepted: about 4194304 keys, values and items, or half as many in JSON"},
		"keys":              {"openapi.yaml", yaml + "x:\n" + strings.Repeat(" a: b\n", 2<<20), "openapi.yaml:1: makes the document too large; accepted: about 4194304 keys, values and items, or half as many in JSON"},
		"JSON":              {"openapi.json", json + strings.Repeat("1,", 3<<20) + "1]}}}}", "openapi.json#/paths/~1a/get/security: makes the document too large; accepted: about 4194304 keys, values and items, or half as many in JSON"},
		"JSON, passed over": {"openapi.json", json + `]}}},"x":[` + strings.Repeat("1,", 8<<20) + "1]}", ""},
		"a long path":       {"openapi.json", `{"openapi":"3.1.0","paths":{"/` + strings.Repeat("a", 8<<10) + `":{"get":{}}}}`, `openapi.json#/paths/~1` + strings.Repeat("a", 1<<10-1) + `…/get: path "/` + strings.Repeat("a", 63) + `"… is too long; accepted: at most 8192 bytes`},
		"a path, just so":   {"openapi.json", `{"openapi":"3.1.0","paths":{"/` + strings.Repeat("a", 8<<10-1) + `":{"get":{}}}}`, ""},
		"segments":          {"openapi.yaml", "openapi: 3.1.0\npaths:\n" + manyPaths(2200, 500), "openapi.yaml:2100: makes the paths too long together; accepted: at most 1048576 segments"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, map[string]string{test.file: test.text})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := openapi.Read(path, openapi.Options{})
			runtime.ReadMemStats(&after)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
			if size := (after.TotalAlloc - before.TotalAlloc) >> 20; size > 1000 {
				t.Errorf("%d MiB allocated", size)
			}
		})
	}
}

func manyPaths(paths, segments int) string {
	var b strings.Builder
	for i := range paths {
		fmt.Fprintf(&b, "  /p%d%s: {get: {security: []}}\n", i, strings.Repeat("/a", segments-1))
	}
	return b.String()
}

// Parameters of one name in a path get other names, and each is found at once.
func TestManyParametersOfOneName(t *testing.T) {
	read := func(names int) uint64 {
		n, _ := allocations(t, "openapi.json", `{"openapi":"3.1.0","paths":{"`+strings.Repeat("/{a}", names)+`":{"get":{"security":[]}}}}`)
		return n
	}
	if few, many := read(280), read(2000); many > 10*few {
		t.Errorf("%d allocations for 280 names, %d for 2,000", few, many)
	}
}
