package access

import (
	"cmp"
	"slices"
)

// Overlap is an imported route of which a written one takes requests away.
type Overlap struct {
	Imported, Written *Route // in the table; not to be changed

	// Whole says that the written route takes every request, so that the
	// imported one is never reached.
	Whole bool
}

// Overlaps returns what the written routes take away from the imported ones, in
// the order of the imported routes, then of the written ones. Each pair is
// compared as if there were no other routes: requests that a more specific
// route of either kind has in any case count too.
func (t *Table) Overlaps() []Overlap {
	place := make(map[*Route]int)
	for i := range t.routes {
		if r := &t.routes[i]; !r.Imported {
			place[r] = i
		}
	}
	var all []Overlap
	for i := range t.routes {
		r := &t.routes[i]
		if !r.Imported {
			continue
		}
		p, _ := parsePattern(r.Pattern) // accepted by add
		o := overlapper{route: r, methods: r.requestMethods(), pattern: p}
		o.visit(&t.written, 0, true)
		slices.SortFunc(o.found, func(a, b Overlap) int { return cmp.Compare(place[a.Written], place[b.Written]) })
		all = append(all, o.found...)
	}
	return all
}

// overlapper walks the tree of written routes along all paths that the pattern
// of one imported route matches.
type overlapper struct {
	route   *Route
	methods methodSet
	pattern pattern
	found   []Overlap
}

// visit looks at the routes of a node and below. depth counts the segments that
// lead there. whole says that every path of the imported route passes there.
func (o *overlapper) visit(n *node, depth int, whole bool) {
	p := &o.pattern
	more := depth < len(p.segments)
	if (more || p.rest) && !p.slash {
		o.add(n.rest, whole)
	}
	switch {
	case more && p.segments[depth].param:
		o.visitLiterals(n, depth+1)
	case more:
		if c, _ := n.literalChild(p.segments[depth].text); c != nil {
			o.visit(c, depth+1, whole)
		}
	case p.rest:
		if depth > len(p.segments) {
			o.add(n.here, false)
		}
		o.visitLiterals(n, depth+1)
		// The * may be one segment, or more than the written route has.
		whole = false
	case p.slash:
		o.add(n.slash, whole)
	default:
		o.add(n.here, whole)
	}
	if n.param != nil && (more || p.rest) {
		o.visit(n.param, depth+1, whole)
	}
}

// visitLiterals is for any one segment, which no literal is for all of.
func (o *overlapper) visitLiterals(n *node, depth int) {
	for _, alike := range n.literals {
		for _, c := range alike {
			o.visit(c, depth, false)
		}
	}
}

// add takes down the routes of a pattern. wholePattern says that it has every
// path of the imported route.
func (o *overlapper) add(l *leaf, wholePattern bool) {
	if l == nil {
		return
	}
	for m, w := range l {
		if w == nil || slices.Contains(l[:m], w) {
			continue
		}
		methods := w.requestMethods()
		if methods&o.methods != 0 {
			whole := wholePattern && o.methods&^methods == 0
			o.found = append(o.found, Overlap{Imported: o.route, Written: w, Whole: whole})
		}
	}
}

// methodSet has a bit for each method of requests.
type methodSet uint8

// requestMethods returns the methods that the route alone matches: HEAD too,
// where it has GET.
func (r *Route) requestMethods() methodSet {
	var set methodSet
	for _, name := range r.Methods {
		m, ok := parseMethod(name)
		if !ok { // a *
			return 1<<methodAny - 1
		}
		set |= 1 << m
		if m == methodGet {
			set |= 1 << methodHead
		}
	}
	return set
}
