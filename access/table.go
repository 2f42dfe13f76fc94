package access

import (
	"fmt"
	"slices"
)

// Table finds the route of a request. It does not change, and may be used from
// many goroutines.
type Table struct {
	routes   []Route
	patterns []pattern // of the routes
	written  node
	imported *node // nil where no route is imported
}

// NewTable builds a table. The order of routes is of no consequence. The error
// is [ErrNoRoutes], or a [*RouteError], also for two routes with the same method
// and pattern, whatever the names in it, unless just one of them is imported or
// both are and are denied.
func NewTable(routes []Route) (*Table, error) {
	if !slices.ContainsFunc(routes, func(r Route) bool { return r.Access != Denied }) {
		return nil, ErrNoRoutes
	}
	compatible() // requests need not wait for it
	t := &Table{routes: make([]Route, len(routes)), patterns: make([]pattern, len(routes))}
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
	methods, p, problem := given.check()
	if problem != "" {
		return fail("%s", problem)
	}
	r := &t.routes[index]
	*r = *given
	r.Methods, r.Scopes = slices.Clone(given.Methods), given.Scopes.clone()
	r.Cost = max(r.Cost, 1)
	t.patterns[index] = p

	leaf := t.tree(r.Imported).insert(p)
	for i, m := range methods {
		switch before := leaf.routes[m]; {
		case before == nil:
			leaf.routes[m] = r
		case r.Imported && r.denies() && before.denies():
		default:
			return fail("%s %s is mapped already, by %s as %s", r.Methods[i], quote(r.Pattern), t.whereIs(before), quote(before.Pattern))
		}
	}
	return nil
}

// tree returns that of imported routes, or of the others.
func (t *Table) tree(imported bool) *node {
	if !imported {
		return &t.written
	}
	if t.imported == nil {
		t.imported = new(node)
	}
	return t.imported
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
// [CheckPath] accepts. The result is shared and must not be changed. It may be a
// [Denied] one.
//
// The most specific pattern with a route for the method wins, compared segment
// by segment: a literal, then names with text around them, of which the longer
// text comes first, then {name}, then *. At one pattern a method's own route
// comes before that of *, and for HEAD that of GET in between. Imported routes
// are only for requests that none of the others matches: what a document says
// never opens more of what an operator has mapped.
//
// Some backends ignore case, a slash at the end, or whether reserved characters
// came percent-encoded, and some append a format to their literals: .json. So
// the search takes patterns for candidates that the path is like to any of them.
// The path has to be exactly of the most specific one, or of one that is as
// specific; otherwise nothing matches. If not, GET /v1/users/ME would pass as
// /v1/users/{id} and be served as /v1/users/me.
//
// Nor do they agree on what a name may hold that has text around it. So
// /v1/reports/2026.10.csv is of {id}.csv only where no other route is a candidate,
// such as /v1/reports/{id}.
func (t *Table) Match(method, escapedPath string) *Route {
	m, ok := parseMethod(method)
	if !ok {
		return nil
	}
	if c := t.find(m, escapedPath); c.exact {
		return c.route
	}
	return nil
}

// find returns the most specific candidate of all. It is not exact where names
// with text around them could end elsewhere, so that some reader takes another
// candidate.
func (t *Table) find(m method, escapedPath string) candidate {
	s := search{method: m, path: escapedPath}
	c := t.first(&s)
	if c.exact && c.pattern.partial && !c.pattern.isPlain(escapedPath) {
		s.except = c.pattern
		c.exact = t.first(&s).route == nil
	}
	return c
}

// first returns the most specific candidate of the routes that come first. Where
// the path is only like that one, an imported route has to be as specific to be
// meant all the same.
func (t *Table) first(s *search) candidate {
	written := t.written.find(s, s.path, true)
	if written.exact || t.imported == nil {
		return written
	}
	imported := t.imported.find(s, s.path, true)
	if written.route == nil || imported.exact && imported.pattern.compare(written.pattern) == 0 {
		return imported
	}
	return written
}
