package access

// shape is a place in a tree of patterns, reached by a sequence of segments. It
// differs from [node] in that only equal segments lead to the same place, and in
// that subtrees can be laid on each other: a name then goes on in one subtree for
// all that it can be, and not in each.
type shape struct {
	literals literalEdges
	texts    *textEdges // names with text around them
	name     *shape     // by {name}
	ends     *ends

	anySegment *shape // all children as one; made when it is needed
}

// ends has the patterns that end in a place, and below. Most places have none.
type ends struct {
	here, slash, rest tally // those that end in nothing more, in a slash, in a star
	below             tally // those further down without a slash at the end
	belowKnown        bool
}

// insert returns the tally of a pattern.
func (s *shape) insert(p *pattern) *tally {
	for i := range p.segments {
		s = s.child(&p.segments[i])
	}
	e := s.end()
	switch {
	case p.rest:
		return &e.rest
	case p.slash:
		return &e.slash
	default:
		return &e.here
	}
}

func (s *shape) end() *ends {
	if s.ends == nil {
		s.ends = new(ends)
	}
	return s.ends
}

// child returns what a segment leads to, and adds it if there is nothing.
func (s *shape) child(g *segment) *shape {
	switch {
	case g.isLiteral():
		c := s.literals.get(g.text)
		if c == nil {
			c = new(shape)
			s.literals.add(g.text, c)
		}
		return c
	case g.isName():
		if s.name == nil {
			s.name = new(shape)
		}
		return s.name
	}
	if s.texts == nil {
		s.texts = newTextEdges()
	}
	return s.texts.child(g)
}

// lay adds all of another tree.
func (s *shape) lay(o *shape) {
	if o.ends != nil {
		e := s.end()
		e.here.addAll(o.ends.here)
		e.slash.addAll(o.ends.slash)
		e.rest.addAll(o.ends.rest)
	}
	o.literals.each(func(text string, c *shape) { s.child(&segment{text: text}).lay(c) })
	for _, e := range o.texts.edges() {
		s.child(e.segment).lay(e.to)
	}
	if o.name != nil {
		s.child(oneName).lay(o.name)
	}
}

var oneName = &segment{texts: []string{"", ""}}

// children calls found for each.
func (s *shape) children(found func(*shape)) {
	s.literals.each(func(_ string, c *shape) { found(c) })
	for _, e := range s.texts.edges() {
		found(e.to)
	}
	if s.name != nil {
		found(s.name)
	}
}

func (s *shape) isLeaf() bool {
	return s.name == nil && s.literals.len() == 0 && s.texts == nil
}

// any returns all children as one.
func (s *shape) any() *shape {
	if s.anySegment == nil {
		if s.anySegment = s.name; s.name == nil || s.literals.len() > 0 || s.texts != nil {
			s.anySegment = new(shape)
			s.children(s.anySegment.lay)
		}
	}
	return s.anySegment
}

// below returns the tally of the patterns that end below and have no slash there.
func (s *shape) below() tally {
	if s.isLeaf() {
		return nil
	}
	e := s.end()
	if !e.belowKnown {
		e.belowKnown = true
		s.children(func(c *shape) {
			if c.ends != nil {
				e.below.addAll(c.ends.here)
				e.below.addAll(c.ends.rest)
			}
			e.below.addAll(c.below())
		})
	}
	return e.below
}

// tally counts routes by their methods. There are few sets of methods.
type tally []group

// group is of the routes with one set of methods.
type group struct {
	methods methodSet
	count   int
	first   *ranked // the most specific
	unlike  *ranked // the most specific of those that need something else than first; or nil
}

// ranked is a route in the order of how specific they are.
type ranked struct {
	route *Route
	rank  int
	needs int // the same for all that need the same
}

func (t *tally) add(g group) {
	for i := range *t {
		if have := &(*t)[i]; have.methods == g.methods {
			have.join(g)
			return
		}
	}
	*t = append(*t, g)
}

func (t *tally) addAll(o tally) {
	for _, g := range o {
		t.add(g)
	}
}

func (g *group) join(o group) {
	g.count += o.count
	if o.first.rank < g.first.rank {
		g.first, o.first = o.first, g.first
		g.unlike, o.unlike = o.unlike, g.unlike
	}
	// What needs something else than first is among all four but first itself.
	for _, r := range []*ranked{o.first, o.unlike} {
		if r != nil && r.needs != g.first.needs && (g.unlike == nil || r.rank < g.unlike.rank) {
			g.unlike = r
		}
	}
}

// otherThan returns the most specific route that does not need this, or nil.
func (g *group) otherThan(needs int) *ranked {
	if g.first.needs != needs {
		return g.first
	}
	return g.unlike
}
