package access

import (
	"fmt"
	"slices"
)

// NeedsTheSame reports whether two routes let the same requests in and charge the
// same for them.
func (r *Route) NeedsTheSame(o *Route) bool {
	return r.Access == o.Access && r.WebSocket == o.WebSocket && max(r.Cost, 1) == max(o.Cost, 1) &&
		(sameMemory(r.Scopes, o.Scopes) || slices.EqualFunc(r.Scopes.sorted(), o.Scopes.sorted(), slices.Equal))
}

// sameMemory is true for the scopes of many routes of a document.
func sameMemory(a, b Scopes) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

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
		shared := sharedScopes{&r.Scopes[0], len(r.Scopes)}
		var known bool
		if scopes, known = x.known[shared]; !known {
			scopes = x.number(fmt.Sprintf("%q", r.Scopes.sorted()))
			x.known[shared] = scopes
		}
	}
	return x.number(fmt.Sprint(string(r.Access), " ", r.WebSocket, max(r.Cost, 1), scopes))
}

// sharedScopes are scopes that are in one place in memory.
type sharedScopes struct {
	first *[]string
	n     int
}

func (x *Index) number(text string) int {
	n, known := x.needs[text]
	if !known {
		n = len(x.needs) + 1
		x.needs[text] = n
	}
	return n
}
