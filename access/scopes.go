package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// Scopes says which scopes a key must hold: all of at least one of the sets.
type Scopes [][]string

// AllOf requires every one of the scopes.
func AllOf(scopes ...string) Scopes { return Scopes{scopes} }

// HeldBy reports whether held meets the requirement.
func (s Scopes) HeldBy(held *apikey.ScopeSet) bool {
	_, met := s.met(held)
	return met
}

// met reports whether held meets the requirement, and which of its scopes that
// takes: bit i is for held.List[i]. Of alternatives it is the first that is met.
func (s Scopes) met(held *apikey.ScopeSet) (needed uint64, met bool) {
	for _, set := range s {
		if needed, met = holdsAll(held, set); met {
			return needed, true
		}
	}
	return 0, len(s) == 0
}

func holdsAll(held *apikey.ScopeSet, set []string) (needed uint64, all bool) {
	for _, scope := range set {
		i := held.Index(scope)
		if i < 0 {
			return 0, false
		}
		needed |= 1 << uint(i)
	}
	return needed, true
}

// Missing returns, for each set, the scopes that held lacks.
func (s Scopes) Missing(held *apikey.ScopeSet) Scopes {
	missing := make(Scopes, len(s))
	for i, set := range s {
		for _, scope := range set {
			if !held.Has(scope) {
				missing[i] = append(missing[i], scope)
			}
		}
	}
	return missing
}

// Nearest returns the set of which held lacks the fewest scopes, the first of
// several.
func (s Scopes) Nearest(held *apikey.ScopeSet) []string {
	if len(s) == 1 {
		return s[0]
	}
	var nearest []string
	fewest := 0
	for i, missing := range s.Missing(held) {
		if i == 0 || len(missing) < fewest {
			nearest, fewest = s[i], len(missing)
		}
	}
	return nearest
}

// Distinct returns all scopes of all sets, sorted.
func (s Scopes) Distinct() []string {
	all := slices.Concat(s...)
	slices.Sort(all)
	return slices.Compact(all)
}

// String returns the sets in Caddyfile form: "posts:write media:upload |
// posts:approve".
func (s Scopes) String() string {
	sets := make([]string, len(s))
	for i, set := range s {
		sets[i] = strings.Join(set, " ")
	}
	return strings.Join(sets, " | ")
}

// clone copies the sets, so that they do not share memory.
func (s Scopes) clone() Scopes {
	if s == nil {
		return nil
	}
	sets := make(Scopes, len(s))
	for i, set := range s {
		sets[i] = slices.Clone(set)
	}
	return sets
}

// maxAlternatives bounds the sets of one route, because a decision looks at each
// in turn.
const maxAlternatives = 16

// check returns what is wrong with the sets, or "".
func (s Scopes) check() (problem string) {
	if len(s) > maxAlternatives {
		return fmt.Sprintf("has %d alternatives of scopes; accepted: at most %d", len(s), maxAlternatives)
	}
	seen := make(map[string]bool)
	for _, set := range s {
		if problem := checkSet(set); problem != "" {
			return problem
		}
		key := strings.Join(slices.Sorted(slices.Values(set)), " ")
		if seen[key] {
			return "has the alternative " + strings.Join(set, " ") + " twice"
		}
		seen[key] = true
	}
	return ""
}

func checkSet(set []string) (problem string) {
	if len(set) == 0 {
		return "has an alternative without scopes; accepted in each: one or more such as posts:read"
	}
	if len(set) > apikey.MaxScopes {
		return fmt.Sprintf("has %d scopes, more than a key can hold; accepted: at most %d", len(set), apikey.MaxScopes)
	}
	for i, scope := range set {
		if err := apikey.CheckScope(scope); err != nil {
			return err.Error()
		}
		if slices.Contains(set[:i], scope) {
			return "has the scope " + scope + " twice"
		}
	}
	return ""
}
