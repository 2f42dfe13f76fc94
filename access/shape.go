package access

// shape is a place in a tree of patterns, reached by a sequence of segments. It
// differs from [node] in that only equal segments lead to the same place, and in
// that subtrees can be laid on each other: a name then goes on in one subtree for
// all that it can be, and not in each.
type shape struct {
	literals map[string]*shape
	texts    textEdges // names with text around them
	name     *shape    // by {name}

	here, slash, rest tally // of the patterns that end so

	// Made when they are first needed.
	anySegment  *shape // all children as one
	deeper      tally  // of the patterns below that have no slash at the end
	deeperKnown bool
}

// insert returns the tally of a pattern.
func (s *shape) insert(p *pattern) *tally {
	for i := range p.segments {
		s = s.child(&p.segments[i])
	}
	switch {
	case p.rest:
		return &s.rest
	case p.slash:
		return &s.slash
	default:
		return &s.here
	}
}

// child returns what a segment leads to, and adds it if there is nothing.
func (s *shape) child(g *segment) *shape {
	switch {
	case g.isLiteral():
		c := s.literals[g.text]
		if c == nil {
			if s.literals == nil {
				s.literals = make(map[string]*shape)
			}
			c = new(shape)
			s.literals[g.text] = c
		}
		return c
	case g.isName():
		if s.name == nil {
			s.name = new(shape)
		}
		return s.name
	}
	return s.texts.child(g)
}

// lay adds all of another tree.
func (s *shape) lay(o *shape) {
	s.here.addAll(o.here)
	s.slash.addAll(o.slash)
	s.rest.addAll(o.rest)
	for text, c := range o.literals {
		s.child(&segment{text: text}).lay(c)
	}
	for _, e := range o.texts.all {
		s.child(e.segment).lay(e.to)
	}
	if o.name != nil {
		s.child(oneName).lay(o.name)
	}
}

var oneName = &segment{texts: []string{"", ""}}

// any returns all children as one.
func (s *shape) any() *shape {
	switch {
	case s.anySegment != nil:
	case len(s.literals) == 0 && len(s.texts.all) == 0 && s.name != nil:
		s.anySegment = s.name
	default:
		s.anySegment = new(shape)
		for _, c := range s.literals {
			s.anySegment.lay(c)
		}
		for _, e := range s.texts.all {
			s.anySegment.lay(e.to)
		}
		if s.name != nil {
			s.anySegment.lay(s.name)
		}
	}
	return s.anySegment
}

// below returns the tally of the patterns that end below and have no slash there.
func (s *shape) below() tally {
	if !s.deeperKnown {
		s.deeperKnown = true
		for _, c := range s.literals {
			s.deeper.addBelow(c)
		}
		for _, e := range s.texts.all {
			s.deeper.addBelow(e.to)
		}
		if s.name != nil {
			s.deeper.addBelow(s.name)
		}
	}
	return s.deeper
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

func (t *tally) addBelow(s *shape) {
	t.addAll(s.here)
	t.addAll(s.rest)
	t.addAll(s.below())
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
