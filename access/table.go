package access

import (
	"fmt"
	"slices"
)

// Table finds the route of a request. It does not change, and may be used from
// many goroutines.
type Table struct {
	routes  []Route
	written node  // the routes that are not imported
	all     *node // those and the imported ones; nil where there are none
}

// NewTable builds a table. The order of routes is of no consequence. The error
// is [ErrNoRoutes] or a [*RouteError], also for two routes with the same method
// and pattern, whatever the names in it, unless just one of them is imported.
func NewTable(routes []Route) (*Table, error) {
	if len(routes) == 0 {
		return nil, ErrNoRoutes
	}
	t := &Table{routes: make([]Route, len(routes))}
	if slices.ContainsFunc(routes, func(r Route) bool { return r.Imported }) {
		t.all = new(node)
	}
	for i := range routes {
		if err := t.add(i, &routes[i]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Table) add(index int, given *Route) error {
	fail := func(format string, args ...any) error {
		return &RouteError{Where: given.where(index), Problem: fmt.Sprintf(format, args...)}
	}
	methods, problem := given.check()
	if problem != "" {
		return fail("%s", problem)
	}
	p, problem := parsePattern(given.Pattern)
	if problem != "" {
		return fail("pattern %s %s", quote(given.Pattern), problem)
	}

	r := &t.routes[index]
	*r = *given
	r.Methods, r.Scopes = slices.Clone(given.Methods), given.Scopes.clone()
	r.Cost = max(r.Cost, 1)
	var leaves []*leaf
	if !r.Imported {
		leaves = append(leaves, t.written.insert(p))
	}
	if t.all != nil {
		leaves = append(leaves, t.all.insert(p))
	}
	for _, leaf := range leaves {
		for i, m := range methods {
			before := leaf[m]
			if before != nil && before.Imported == r.Imported {
				return fail("%s %s is mapped already, by %s as %s", r.Methods[i], quote(r.Pattern), t.whereIs(before), quote(before.Pattern))
			}
			if before == nil || before.Imported {
				leaf[m] = r
			}
		}
	}
	return nil
}

// whereIs names a route of the table.
func (t *Table) whereIs(r *Route) string {
	index := 0
	for &t.routes[index] != r {
		index++
	}
	return r.where(index)
}

// Routes returns the routes in the order in which they were given, with their
// defaults filled in. The slices inside must not be changed.
func (t *Table) Routes() []Route { return slices.Clone(t.routes) }

// Match returns the route of a request, or nil. The path must be one that
// [CheckPath] accepts. The result is shared and must not be changed.
//
// The most specific pattern with a route for the method wins, compared segment
// by segment: a literal, then {name}, then *. At one pattern a method's own
// route comes before that of *, and for HEAD that of GET in between. Imported
// routes are only for requests that none of the others matches: what a document
// says never opens more of what an operator has mapped.
//
// Some backends ignore case, a trailing slash, or whether reserved characters
// came percent-encoded. So the search takes literals and slashes that differ
// only in that for candidates too, after those that are the same; and if one of
// them is the most specific, nothing matches. Otherwise GET /v1/users/ME would
// pass as /v1/users/{id} and be served as /v1/users/me.
func (t *Table) Match(method, escapedPath string) *Route {
	m, ok := parseMethod(method)
	if !ok {
		return nil
	}
	if r, exact := t.find(m, escapedPath); exact {
		return r
	}
	return nil
}

// find returns the most specific candidate, and whether the path matches it
// exactly.
func (t *Table) find(m method, escapedPath string) (r *Route, exact bool) {
	if r, exact = t.written.find(m, escapedPath); exact || t.all == nil {
		return r, exact
	}
	return t.all.find(m, escapedPath)
}
