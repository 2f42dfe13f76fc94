package access

import "slices"

// sharedScopes tells scopes from others by where they are in memory. Many routes
// of a document share theirs: what is looked at once need not be looked at for
// each. The zero sharedScopes is for none.
type sharedScopes struct {
	first *[]string
	n     int
}

func (s Scopes) shared() sharedScopes {
	if len(s) == 0 {
		return sharedScopes{}
	}
	return sharedScopes{&s[0], len(s)}
}

// Checker does what [Route.Check] does for many routes. The scopes that these
// share must not be changed meanwhile. The zero Checker is ready to use.
type Checker struct {
	problems map[sharedScopes]string
}

// Check returns what [NewTable] would refuse about a route alone, or nil.
func (c *Checker) Check(r *Route) *RouteError {
	if _, _, problem := r.check(c); problem != "" {
		return &RouteError{Where: r.where(0), Problem: problem}
	}
	return nil
}

// scopes returns what is wrong with scopes, or "".
func (c *Checker) scopes(s Scopes) string {
	problem, known := c.problems[s.shared()]
	if !known {
		problem = s.check()
		if c.problems == nil {
			c.problems = make(map[sharedScopes]string)
		}
		c.problems[s.shared()] = problem
	}
	return problem
}

// Scopes returns every scope that a route of the table needs, sorted.
func (t *Table) Scopes() []string {
	seen := make(map[sharedScopes]bool)
	var all []string
	for i := range t.routes {
		scopes := t.routes[i].Scopes
		if !seen[scopes.shared()] {
			seen[scopes.shared()] = true
			all = append(all, scopes.Distinct()...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
