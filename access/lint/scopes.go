package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// needed is the set of scopes that routes of any gateway need. What is never
// reached needs nothing.
type needed map[string]bool

func (n needed) addSite(s *site) {
	seen := make(map[*[]string]bool) // of scopes that many routes share in memory
	s.routes(func(r *access.Route, reached bool) {
		if reached && len(r.Scopes) > 0 && !seen[&r.Scopes[0]] {
			seen[&r.Scopes[0]] = true
			for _, scope := range r.Scopes.Distinct() {
				n[scope] = true
			}
		}
	})
}

// checkDeclared finds scopes of documents that no route needs.
func (n needed) checkDeclared(mappings []Mapping, f *findings) {
	for _, g := range mappings {
		for _, d := range g.Documents {
			here := make(map[string]bool) // each flow may declare it again
			for _, s := range d.Declared {
				missing := slices.ContainsFunc(s.Keys, func(scope string) bool { return !n[scope] })
				if missing && !here[s.Scope] {
					f.add(UnusedScope, s.Source, "%s is declared, and no route needs it; name it where it is needed, or remove it", s.Scope)
				}
				here[s.Scope] = true
			}
		}
	}
}

// checkHeld finds scopes of keys that no route needs.
func (n needed) checkHeld(held []HeldScope, f *findings) {
	known := slices.Sorted(maps.Keys(n))
	for _, h := range held {
		if n[h.Scope] || h.Count == 0 {
			continue
		}
		keys := "1 key"
		if h.Count != 1 {
			keys = fmt.Sprintf("%d keys", h.Count)
		}
		f.add(UselessKeyScope, "", "%s is held by %s and opens nothing%s: %s%s", h.Scope, keys, didYouMean(h.Scope, known), listKeys(h), updateLine(h))
	}
}

func listKeys(h HeldScope) string {
	names := make([]string, 0, len(h.Keys)+1)
	for _, id := range h.Keys {
		names = append(names, id.String())
	}
	if h.Count > len(h.Keys) {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

func updateLine(h HeldScope) string {
	if len(h.Keys) == 0 {
		return ""
	}
	return fmt.Sprintf("; give each the scopes that it is to have: caddy keygate update %s --scope <scopes>", h.Keys[0])
}

func didYouMean(scope string, known []string) string {
	if near := apikey.Nearest(scope, known); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}
