package access

import (
	"fmt"
	"runtime"
	"testing"
)

// productTables have imported and written routes of which each meets each, in
// the forms that patterns have.
func productTables(imported, written int) map[string][]string {
	forms := map[string][2]string{
		"names that cross":     {"/v1/{a}/lit%d", "/v1/other%d/{b}"},
		"stars":                {"/v1/{a}/x%d/*", "/v1/{b}/{c}/y%d/*"},
		"texts around names":   {"/v1/a%d{x}", "/v1/{y}.b%d"},
		"texts and literals":   {"/v1/{a}/x%d", "/v1/z%d.{b}/{c}"},
		"below a star":         {"/v1/{a}/b%d/*", "/v1/{a}/{b}/c/d/e%d"},
		"two names, deep":      {"/{a}/{b}/{c}/x%d", "/k%d/l/m/{d}"},
		"no overlap but names": {"/{a}/{b}/x%d", "/k%d/l/m"},
	}
	tables := make(map[string][]string)
	for name, form := range forms {
		var lines []string
		for i := range imported {
			lines = append(lines, "+GET "+fmt.Sprintf(form[0], i))
		}
		for i := range written {
			lines = append(lines, "GET "+fmt.Sprintf(form[1], i))
		}
		tables[name] = lines
	}
	return tables
}

// What an imported route loses is one record, however many routes take of it.
func TestOverlapsAreNoProduct(t *testing.T) {
	for name, lines := range productTables(40, 50) {
		t.Run(name, func(t *testing.T) {
			if n := len(importedTable(t, lines...).Overlaps()); n > 40 {
				t.Errorf("%d records for 40 imported routes", n)
			}
		})
	}
}

// Four times the routes of each kind may need a little more than four times the
// memory. Pairs would need sixteen times as much.
func TestOverlapsAllocateByRoute(t *testing.T) {
	allocated := func(t *testing.T, lines []string) uint64 {
		table := importedTable(t, lines...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table.Overlaps()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := productTables(200, 200), productTables(800, 800)
	for name := range few {
		t.Run(name, func(t *testing.T) {
			if a, b := allocated(t, few[name]), allocated(t, many[name]); b > 6*a {
				t.Errorf("200 of each allocate %d bytes, 800 of each %d", a, b)
			}
		})
	}
}
