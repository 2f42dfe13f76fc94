package access

import (
	"fmt"
	"slices"
)

// Table finds the route of a request. It never changes, so it is safe for
// concurrent use.
type Table struct {
	routes   []Route
	patterns []pattern // one per route
	written  node
	imported *node // nil if no route is imported
}

// NewTable builds a table. The order of routes does not matter. The error is
// [ErrNoRoutes] or a [*RouteError]. Two routes with the same method and pattern,
// whatever their names, are an error, unless only one of them is imported, or
// both are imported and denied.
func NewTable(routes []Route) (*Table, error) {
	if !slices.ContainsFunc(routes, func(r Route) bool { return r.Access != Denied }) {
		return nil, ErrNoRoutes
	}
	compatible() // computed now, so that requests need not wait for it
	t := &Table{routes: make([]Route, len(routes)), patterns: make([]pattern, len(routes))}
	b := builder{scopes: make(map[sharedScopes]Scopes), leaves: make(map[string]*leaf), last: make(map[**leaf]*leaf)}
	for i := range routes {
		if err := t.add(i, &routes[i], &b); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// builder has what routes of a table share.
type builder struct {
	checker Checker
	scopes  map[sharedScopes]Scopes // the copies, by what was given
	leaves  map[string]*leaf        // by their trees and patterns without names
	last    map[**leaf]*leaf        // the leaf that was added last to a list
}

// clone copies scopes, and only once those of several routes.
func (b *builder) clone(s Scopes) Scopes {
	copied, known := b.scopes[s.shared()]
	if !known {
		copied = s.clone()
		b.scopes[s.shared()] = copied
	}
	return copied
}

// leaf returns the leaf of a pattern in a tree, and adds it if there is none. Very
// many may end at one node, in different spellings.
func (b *builder) leaf(tree *node, p *pattern, imported bool) *leaf {
	key := p.key()
	if imported {
		key = "+" + key
	}
	l := b.leaves[key]
	if l != nil {
		return l
	}
	list := tree.end(p)
	l = &leaf{pattern: *p, folded: p.isFolded()}
	if last := b.last[list]; last != nil {
		last.next = l
	} else {
		*list = l
	}
	b.leaves[key], b.last[list] = l, l
	return l
}

func (t *Table) add(index int, given *Route, b *builder) error {
	fail := func(format string, args ...any) error {
		return &RouteError{Where: given.where(index), Problem: fmt.Sprintf(format, args...)}
	}
	methods, p, problem := given.check(&b.checker)
	if problem != "" {
		return fail("%s", problem)
	}
	r := &t.routes[index]
	*r = *given
	r.Methods, r.Scopes = slices.Clone(given.Methods), b.clone(given.Scopes)
	r.Cost = max(r.Cost, 1)
	t.patterns[index] = p

	leaf := b.leaf(t.tree(r.Imported), &p, r.Imported)
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

// tree returns the tree of the imported routes or that of the others.
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
// [Denied] route.
//
// The most specific pattern with a route for the method wins. Patterns are
// compared segment by segment: first a literal, then names with text around them,
// longer text first, then {name}, then *. Within a pattern, the route of the
// method itself wins over that of *, and for HEAD the route of GET comes in
// between. Imported routes get only requests that no other route matches, so a
// document never opens more of what an operator has mapped.
//
// Some backends ignore case, a slash at the end, or whether reserved characters
// were percent-encoded. Some append a format such as .json to their literals. So
// every pattern that the path resembles in one of these ways is a candidate.
// Match returns a route only if the path matches exactly the most specific
// candidate, or another one that is equally specific. Otherwise GET /v1/users/ME
// could pass as /v1/users/{id} and be served as /v1/users/me.
//
// Backends also disagree on what a name with text around it may contain. So
// /v1/reports/2026.10.csv matches {id}.csv only if no other route, such as
// /v1/reports/{id}, is a candidate.
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

// find returns the most specific candidate of all. The candidate is not exact if
// a name with text around it could end elsewhere, so that some backend would
// select another candidate.
func (t *Table) find(m method, escapedPath string) candidate {
	s := search{method: m, path: escapedPath}
	c := t.first(&s)
	if c.exact && c.pattern.partial && !c.pattern.isPlain(escapedPath) {
		s.except = c.pattern
		c.exact = t.first(&s).route == nil
	}
	return c
}

// first returns the most specific candidate of the written routes, or else of the
// imported ones. If the path only resembles a written route, an exact imported
// one wins only if it is equally specific.
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
