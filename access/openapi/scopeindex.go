package openapi

import (
	"slices"
	"strings"
)

// scopeIndex finds the mapping of a scope without a look at each: there may be as
// many lines in a scope_map as scopes in a document.
type scopeIndex struct {
	exact map[string]int    // places of the mappings of a scope as it is
	stars map[[2]string]int // and of patterns, by the texts before and after the star
	ends  map[string][]int  // lengths of the texts before it, by the text after it
	after []int             // lengths of these
}

// newScopeIndex makes an index of mappings, of which the first that fits counts.
func newScopeIndex(mappings []ScopeMapping) *scopeIndex {
	x := &scopeIndex{exact: make(map[string]int), stars: make(map[[2]string]int), ends: make(map[string][]int)}
	for i, m := range mappings {
		before, after, star := strings.Cut(m.Source, "*")
		if _, known := x.exact[m.Source]; known {
			continue
		}
		x.exact[m.Source] = i
		if !star {
			continue
		}
		x.stars[[2]string{before, after}] = i
		if !slices.Contains(x.ends[after], len(before)) {
			x.ends[after] = append(x.ends[after], len(before))
		}
		if !slices.Contains(x.after, len(after)) {
			x.after = append(x.after, len(after))
		}
	}
	return x
}

// find returns the place of the mapping of a scope, or -1.
func (x *scopeIndex) find(scope string) int {
	if i, ok := x.exact[scope]; ok {
		return i
	}
	best := -1
	for _, n := range x.after {
		if n >= len(scope) {
			continue
		}
		after := scope[len(scope)-n:]
		for _, m := range x.ends[after] {
			if n+m >= len(scope) {
				continue
			}
			if i, ok := x.stars[[2]string{scope[:m], after}]; ok && (best < 0 || i < best) {
				best = i
			}
		}
	}
	return best
}
