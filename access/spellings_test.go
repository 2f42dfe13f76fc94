package access

import (
	"fmt"
	"strings"
	"testing"
)

// spellings returns n routes whose patterns some backends treat as the same.
func spellings(n int) []Route {
	const letters = "abcdefghijklmnopq"
	routes := make([]Route, n)
	for i := range routes {
		text := []byte(letters)
		for k := range text {
			if i>>k&1 == 1 {
				text[k] &^= 0x20
			}
		}
		routes[i] = Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/%s/{x}", text), Access: Public, Imported: i%2 == 0}
	}
	return routes
}

// A document may have very many patterns in one place of the tree.
func TestManySpellings(t *testing.T) {
	routes := spellings(1 << 15)
	table := mustTable(t, routes...)
	for _, i := range []int{0, 1, 2, 1000, 1<<15 - 1} {
		path := strings.Replace(routes[i].Pattern, "{x}", "1", 1)
		if r := table.Match("GET", path); r == nil || r.Pattern != routes[i].Pattern {
			t.Errorf("%s matches %v", path, r)
		}
	}
	routes[7].Imported = routes[9].Imported
	routes[7].Pattern = strings.Replace(routes[9].Pattern, "{x}", "{y}", 1)
	if _, err := NewTable(routes); err == nil || !strings.Contains(err.Error(), "is mapped already") {
		t.Errorf("the same pattern twice: %v", err)
	}
}

func BenchmarkNewTableOfSpellings(b *testing.B) {
	routes := spellings(50_000)
	for b.Loop() {
		mustTable(b, routes...)
	}
}
