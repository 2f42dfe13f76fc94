package access

import (
	"slices"
	"strings"
)

// Overlap says what written routes take away from an imported one. Each is
// compared with it as if there were no other routes: requests that a more
// specific route gets in any case count too.
type Overlap struct {
	Imported *Route // not to be changed, as the others

	// Written is the most specific of the routes that take every request, or else
	// the most specific of all, and of equals the first.
	Written *Route

	// Whole means that Written takes every request, so that Imported is never
	// reached.
	Whole bool

	// Same means that Written needs the same as Imported.
	Same bool

	// Others counts the routes besides Written that take some requests, or all.
	Others int

	// Unlike is the most specific route that needs something else than Imported;
	// nil if Written does, or takes every request before it.
	Unlike *Route
}

// Overlaps returns what the written routes take away from the imported ones, in
// the order of these.
func (t *Table) Overlaps() []Overlap {
	var written []*Route
	var patterns []pattern
	for i := range t.routes {
		if r := &t.routes[i]; !r.Imported {
			written, patterns = append(written, r), append(patterns, t.patterns[i])
		}
	}
	if len(written) == 0 {
		return nil
	}
	x := newIndex(written, patterns)
	var all []Overlap
	for i := range t.routes {
		if r := &t.routes[i]; r.Imported {
			if o, ok := x.over(r, &t.patterns[i], r.requestMethods()); ok {
				all = append(all, o)
			}
		}
	}
	return all
}

// Index finds among routes those that match requests of another route. It is
// not safe for concurrent use.
type Index struct {
	root  shape
	needs map[string]int
	known map[sharedScopes]int // their numbers; see needsOf

	from, to []*shape // of one step of a walk; kept for their memory
	steps    int      // places looked at so far, for tests
}

// NewIndex makes an index of routes that have passed [Route.Check].
func NewIndex(routes []*Route) *Index {
	patterns := make([]pattern, len(routes))
	for i, r := range routes {
		patterns[i], _ = r.parsePattern()
	}
	return newIndex(routes, patterns)
}

func newIndex(routes []*Route, patterns []pattern) *Index {
	x := &Index{needs: make(map[string]int), known: make(map[sharedScopes]int)}
	order := make([]int, len(routes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return patterns[i].compare(&patterns[j]) })
	all := make([]ranked, len(routes))
	for rank, i := range order {
		all[rank] = ranked{routes[i], rank, x.needsOf(routes[i])}
		x.root.insert(&patterns[i]).add(group{methods: routes[i].requestMethods(), count: 1, first: &all[rank]})
	}
	return x
}

// Over returns what the routes of the index, which it calls written, take of a
// route that has passed [Route.Check]. ok is false if that is nothing.
func (x *Index) Over(r *Route) (o Overlap, ok bool) {
	p, _ := r.parsePattern()
	return x.over(r, &p, r.requestMethods())
}

func (x *Index) over(r *Route, p *pattern, methods methodSet) (o Overlap, ok bool) {
	needs := x.needsOf(r)
	var first, unlike, whole *ranked
	n := 0
	x.walk(p, false, func(g *group) {
		if g.methods&methods != 0 {
			n += g.count
			first, unlike = moreSpecific(first, g.first), moreSpecific(unlike, g.otherThan(needs))
		}
	})
	if n == 0 {
		return o, false
	}
	x.walk(p, true, func(g *group) {
		if methods&^g.methods == 0 {
			whole = moreSpecific(whole, g.first)
		}
	})
	o = Overlap{Imported: r, Written: first.route, Whole: whole != nil, Others: n - 1}
	if whole != nil {
		first, o.Written = whole, whole.route
	}
	o.Same = first.needs == needs
	if unlike != nil && o.Same && (whole == nil || unlike.rank < whole.rank) {
		o.Unlike = unlike.route
	}
	return o, true
}

// moreSpecific returns the more specific of two routes. nil is none.
func moreSpecific(a, b *ranked) *ranked {
	if a == nil || b != nil && b.rank < a.rank {
		return b
	}
	return a
}

// walk calls found for the routes that match some paths of a pattern, or with
// whole those that match all of them.
func (x *Index) walk(p *pattern, whole bool, found func(*group)) {
	add := func(t tally) {
		for i := range t {
			found(&t[i])
		}
	}
	x.from = append(x.from[:0], &x.root)
	for depth := 0; len(x.from) > 0; depth++ {
		x.steps += len(x.from)
		for _, s := range x.from {
			if s.ends != nil {
				s.ends.at(p, depth, add)
			}
			if p.rest && depth == len(p.segments) && !whole {
				add(s.below())
			}
		}
		if depth == len(p.segments) {
			return
		}
		x.to = x.to[:0]
		for _, s := range x.from {
			x.step(s, &p.segments[depth], whole)
		}
		x.from, x.to = x.to, x.from
	}
}

// at calls add for the patterns that end in a place, which so many segments of a
// pattern have led to, and that match paths of it.
func (e *ends) at(p *pattern, depth int, add func(tally)) {
	if p.rest || depth < len(p.segments) && !p.slash {
		add(e.rest)
	}
	switch {
	case depth < len(p.segments) || p.rest:
	case p.slash:
		add(e.slash)
	default:
		add(e.here)
	}
}

// step adds where a segment of a pattern leads to from a place: over each
// segment that meets it, or with whole over those that match all that it does.
func (x *Index) step(s *shape, g *segment, whole bool) {
	found := func(c *shape) { x.to = append(x.to, c) }
	if g.isName() && !whole {
		if !s.isLeaf() {
			found(s.any())
		}
		return
	}
	if s.name != nil {
		found(s.name)
	}
	if g.isLiteral() {
		if c := s.literals.get(g.text); c != nil {
			found(c)
		}
	} else if !whole {
		x.steps += s.literals.matching(g, found)
	}
	switch {
	case s.texts == nil:
	case g.isLiteral() || whole:
		x.steps += s.texts.over(g.sample(), found)
	default:
		x.steps += s.texts.meeting(g, found)
	}
}

// sample returns a text that matches s, and another segment only if that matches
// whatever s does: the names hold a character that occurs nowhere else.
func (s *segment) sample() string {
	if s.isLiteral() {
		return s.text
	}
	return strings.Join(s.texts, "\x00")
}

// meets reports whether some segments match both of two. For two with names one
// of the texts in front has to begin with the other, and one of those at the end
// to end with the other. What is between can be in what the names hold.
func (s *segment) meets(o *segment) bool {
	switch {
	case s.isLiteral():
		return o.matches(s.text)
	case o.isLiteral():
		return s.matches(o.text)
	}
	return meetInFront(s, o) && meetAtEnd(s, o)
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
