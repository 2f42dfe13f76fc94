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
