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
