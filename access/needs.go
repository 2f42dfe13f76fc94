package access

import (
	"fmt"
	"slices"
)

// sorted returns the sets in an order that depends on what is in them only.
func (s Scopes) sorted() [][]string {
	sets := make([][]string, len(s))
	for i, set := range s {
		sets[i] = slices.Sorted(slices.Values(set))
	}
	slices.SortFunc(sets, slices.Compare)
	return sets
}

// needsOf returns a number that is the same for routes that need the same. Many
// routes of a document share their scopes in memory: these are looked at once.
func (x *Index) needsOf(r *Route) int {
	scopes := 0
	if len(r.Scopes) > 0 {
		var known bool
		if scopes, known = x.known[r.Scopes.shared()]; !known {
			scopes = x.number(fmt.Sprintf("%q", r.Scopes.sorted()))
			x.known[r.Scopes.shared()] = scopes
		}
	}
	return x.number(fmt.Sprint(string(r.Access), " ", r.WebSocket, max(r.Cost, 1), scopes))
}

func (x *Index) number(text string) int {
	n, known := x.needs[text]
	if !known {
		n = len(x.needs) + 1
		x.needs[text] = n
	}
	return n
}
