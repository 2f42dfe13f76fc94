package access

import (
	"fmt"
	"runtime"
	"testing"
)

// sharing returns routes that have their scopes in one place of memory.
func sharing(n int) []Route {
	var scopes Scopes
	for i := range maxAlternatives {
		var set []string
		for j := range 64 {
			set = append(set, fmt.Sprintf("alternative%d:scope%d", i, j))
		}
		scopes = append(scopes, set)
	}
	routes := make([]Route, n)
	for i := range routes {
		routes[i] = Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/a%d", i), Scopes: scopes, Imported: true}
	}
	return routes
}

// A table copies the scopes of its routes, but not once for each of these.
func TestSharedScopesAreCopiedOnce(t *testing.T) {
	routes := sharing(1000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	table := mustTable(t, routes...)
	runtime.ReadMemStats(&after)
	if size := after.TotalAlloc - before.TotalAlloc; size > 4<<20 {
		t.Errorf("%d bytes for 1,000 routes", size)
	}
	routes[0].Scopes[0][0] = "changed:later"
	if got := table.Routes()[7].Scopes[0][0]; got != "alternative0:scope0" {
		t.Errorf("the table has %q", got)
	}
	if got := len(table.Scopes()); got != 16*64 {
		t.Errorf("%d scopes", got)
	}
}

// What is wrong with scopes is told of each route that has them.
func TestSharedScopesAreRefusedForEach(t *testing.T) {
	routes := sharing(2)
	routes[1].Scopes = append(routes[1].Scopes[:15:15], routes[1].Scopes[0])
	if _, err := NewTable(routes); err == nil {
		t.Error("the alternative is there twice, and the table is made")
	}
	var c Checker
	for range 2 {
		if c.Check(&routes[0]) != nil || c.Check(&routes[1]) == nil {
			t.Error("a checker does not say what Check says")
		}
	}
	denied := Route{Methods: []string{"GET"}, Pattern: "/x", Access: Denied, Scopes: routes[0].Scopes}
	if c.Check(&denied) == nil {
		t.Error("a denied route has scopes")
	}
}

func BenchmarkNewTableOfSharedScopes(b *testing.B) {
	routes := sharing(10_000)
	for b.Loop() {
		mustTable(b, routes...)
	}
}
