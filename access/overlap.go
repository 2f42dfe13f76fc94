package access

import (
	"cmp"
	"slices"
	"strings"
)

// Overlap says that a written route takes requests away from an imported one.
type Overlap struct {
	Imported, Written *Route // shared with the table; not to be changed

	// Whole means that the written route takes every request, so the imported one
	// is never reached.
	Whole bool
}

// Overlaps returns what the written routes take away from the imported ones. It
// is sorted by the imported routes, then by the written ones. Each pair is
// compared as if there were no other routes: requests that a more specific route
// gets in any case count too.
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
		o := overlapper{route: r, methods: r.requestMethods(), pattern: &t.patterns[i]}
		o.visit(&t.written, 0)
		slices.SortFunc(o.found, func(a, b Overlap) int { return cmp.Compare(place[a.Written], place[b.Written]) })
		all = append(all, o.found...)
	}
	return all
}

// overlapper walks the tree of written routes along all paths that the pattern of
// one imported route can match.
type overlapper struct {
	route   *Route
	methods methodSet
	pattern *pattern
	found   []Overlap
}

// visit looks at the routes of a node and below it. depth is the number of
// segments that lead to the node.
func (o *overlapper) visit(n *node, depth int) {
	p := o.pattern
	o.add(n.here)
	o.add(n.slash)
	o.add(n.rest)
	switch {
	case depth < len(p.segments) && p.segments[depth].isLiteral():
		if c := n.literals[string(foldedText(p.segments[depth].text))]; c != nil {
			o.visit(c, depth+1)
		}
	case depth < len(p.segments) || p.rest:
		for _, c := range n.literals {
			o.visit(c, depth+1)
		}
	default:
		return
	}
	for i := range n.partials {
		o.visit(n.partials[i].node, depth+1)
	}
	if n.name != nil {
		o.visit(n.name, depth+1)
	}
}

// add collects the routes of a list of leaves.
func (o *overlapper) add(l *leaf) {
	for ; l != nil; l = l.next {
		some, all := o.pattern.meets(&l.pattern)
		if !some {
			continue
		}
		for m, w := range l.routes {
			if w == nil || slices.Contains(l.routes[:m], w) {
				continue
			}
			if methods := w.requestMethods(); methods&o.methods != 0 {
				o.found = append(o.found, Overlap{Imported: o.route, Written: w, Whole: all && o.methods&^methods == 0})
			}
		}
	}
}

// meets reports whether some paths match both p and q, and whether all paths that
// match p also match q.
func (p *pattern) meets(q *pattern) (some, all bool) {
	n, k := len(p.segments), len(q.segments)
	switch {
	case !p.rest && !q.rest && (n != k || p.slash != q.slash),
		!p.rest && q.rest && (n <= k || p.slash),
		p.rest && !q.rest && (k <= n || q.slash):
		return false, false
	}
	all = !p.rest || q.rest && k <= n
	for i := range min(n, k) {
		some, whole := p.segments[i].meets(&q.segments[i])
		if !some {
			return false, false
		}
		all = all && whole
	}
	return true, all
}

// meets reports whether some segments match both s and o, and whether all
// segments that match s also match o.
func (s *segment) meets(o *segment) (some, all bool) {
	switch {
	case s.isLiteral():
		some = o.matches(s.text)
		return some, some
	case o.isLiteral():
		return s.matches(o.text), false
	}
	// If o matches when the names of s hold a character that occurs nowhere else,
	// it matches whatever they hold.
	if o.matches(strings.Join(s.texts, "\x00")) {
		return true, true
	}
	return s.crosses(o), false
}

// crosses reports whether some segments match both of two segments with names.
func (s *segment) crosses(o *segment) bool {
	a, b := s.glob(), o.glob()
	// reach[j] says that some text matches both a[:i] and b[:j].
	reach := make([]bool, len(b)+1)
	reach[0] = true
	for i := 0; ; i++ {
		next := make([]bool, len(b)+1)
		for j := range len(b) + 1 {
			if !reach[j] {
				continue
			}
			anyA, anyB := i < len(a) && a[i] == anyText, j < len(b) && b[j] == anyText
			if j < len(b) && (anyA || anyB) {
				reach[j+1] = true // b[j] is in the any-text of a, or is an empty any-text
			}
			if i < len(a) && (anyA || anyB) {
				next[j] = true
			}
			if i < len(a) && j < len(b) && (a[i] == b[j] || a[i] == anyChar || b[j] == anyChar) {
				next[j+1] = true
			}
		}
		if i == len(a) {
			return reach[len(b)]
		}
		reach = next
	}
}

// A name is one character followed by any text.
const (
	anyChar = 0
	anyText = 1
)

// glob returns the segment as its characters, with anyChar and anyText for each
// name.
func (s *segment) glob() []byte {
	return []byte(strings.Join(s.texts, string([]byte{anyChar, anyText})))
}

// methodSet has a bit for each method of requests.
type methodSet uint8

// requestMethods returns the methods that the route matches if it is the only
// one: HEAD is among them if GET is.
func (r *Route) requestMethods() methodSet {
	var set methodSet
	for _, name := range r.Methods {
		m, ok := parseMethod(name)
		if !ok { // the route has *
			return 1<<methodAny - 1
		}
		set |= 1 << m
		if m == methodGet {
			set |= 1 << methodHead
		}
	}
	return set
}
