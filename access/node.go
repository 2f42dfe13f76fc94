package access

import (
	"bytes"
	"slices"
)

// node is a place in the tree of patterns, reached by a number of segments.
// Segments that some backend takes for the same lead to the same place; which
// spelling a pattern has is asked at its end.
type node struct {
	literals map[string]*node // by the folded literal
	partials []partial        // names with text around them, the most specific first
	name     *node            // by {name}

	here  *leaf // patterns that end here,
	slash *leaf // here with a slash after it, and
	rest  *leaf // here with a * after it
}

// partial is where a segment of names with text around them leads.
type partial struct {
	segment *segment
	texts   [][]byte // folded
	node    *node
}

// leaf holds the routes of one pattern, by method.
type leaf struct {
	pattern pattern
	folded  bool // its literals are as folding leaves them, and no name has text around it
	routes  [methodCount]*Route
	next    *leaf // a pattern that ends here too, in another spelling; or nil
}

func (l *leaf) route(m method) *Route {
	r := l.routes[m]
	if r == nil && m == methodHead {
		r = l.routes[methodGet]
	}
	if r == nil {
		r = l.routes[methodAny]
	}
	return r
}

// insert returns the leaf of a pattern.
func (n *node) insert(p pattern) *leaf {
	for i := range p.segments {
		n = n.child(&p.segments[i])
	}
	end := &n.here
	switch {
	case p.rest:
		end = &n.rest
	case p.slash:
		end = &n.slash
	}
	for *end != nil {
		if (*end).pattern.sameTexts(&p) {
			return *end
		}
		end = &(*end).next
	}
	*end = &leaf{pattern: p, folded: p.isFolded()}
	return *end
}

// child returns the node that a segment leads to.
func (n *node) child(s *segment) *node {
	switch {
	case s.isLiteral():
		folded := string(foldedText(s.text))
		c := n.literals[folded]
		if c == nil {
			if n.literals == nil {
				n.literals = make(map[string]*node)
			}
			c = new(node)
			n.literals[folded] = c
		}
		return c
	case s.isName():
		if n.name == nil {
			n.name = new(node)
		}
		return n.name
	}
	i, found := slices.BinarySearchFunc(n.partials, s, func(p partial, s *segment) int { return p.segment.compare(s) })
	if !found {
		n.partials = slices.Insert(n.partials, i, partial{s, foldedTexts(s.texts), new(node)})
	}
	return n.partials[i].node
}

// search is a request that a route is looked for.
type search struct {
	method method
	path   string   // percent-encoded
	except *pattern // in all spellings; nil: none
}

// candidate is a route that some reader takes a request for. The zero candidate
// is none.
type candidate struct {
	route   *Route
	pattern *pattern
	exact   bool // the path is of the pattern, byte for byte
}

// or returns the more specific candidate; c where they are alike.
func (c candidate) or(o candidate) candidate {
	if c.route == nil || o.route != nil && o.pattern.compare(c.pattern) < 0 {
		return o
	}
	return c
}

// find returns the most specific candidate below n for what is left of the
// path, which is "" or starts with a slash; see [Table.Match]. folded says that
// the literals on the way here were as folding leaves them. Each node is visited
// at most once, as only one path leads to it.
func (n *node) find(s *search, left string, folded bool) candidate {
	switch left {
	case "":
		return s.end(n.here, n.slash, folded)
	case "/":
		return s.end(n.slash, n.here, folded)
	}
	segment, left := cutSegment(left)
	if n.literals != nil {
		if c := n.findLiteral(s, segment, left, folded); c.route != nil {
			return c
		}
	}
	if n.partials != nil {
		if c := n.findPartial(s, segment, left); c.route != nil {
			return c
		}
	}
	if n.name != nil {
		if c := n.name.find(s, left, folded); c.route != nil {
			return c
		}
	}
	if n.rest != nil {
		return s.end(n.rest, nil, folded && s.path[len(s.path)-1] != '/')
	}
	return candidate{}
}

// findLiteral tries the literal that the segment is, and those that it is with
// a format behind them, a dot and anything, or with spaces and dots, which
// Windows takes off.
func (n *node) findLiteral(s *search, segment, left string, folded bool) candidate {
	if isFolded(segment) {
		if c := n.literals[segment]; c != nil {
			return c.find(s, left, folded)
		}
		return candidate{}
	}
	return n.findFolded(s, segment, left, folded)
}

// findFolded is findLiteral for a segment that has to be folded, or may have
// something behind a literal.
func (n *node) findFolded(s *search, segment, left string, folded bool) candidate {
	best := n.findSpelling(s, segment, left, folded, plusIsPlus)
	if mayHavePlus(segment) {
		best = best.or(n.findSpelling(s, segment, left, false, plusIsSpace))
	}
	return best
}

func (n *node) findSpelling(s *search, segment, left string, folded bool, plus pluses) (best candidate) {
	var buf [maxLiteralLen]byte
	text, ok := fold(buf[:0], segment, plus)
	if !ok {
		text = trimSpaces(text) // a literal may be all of it but spaces and formats
	}
	if c := n.literals[string(text)]; c != nil {
		best = c.find(s, left, folded && string(text) == segment)
	}
	for {
		dot := bytes.LastIndexByte(text, '.')
		if dot <= 0 {
			return best
		}
		text = trimSpaces(text[:dot])
		if c := n.literals[string(text)]; c != nil {
			best = best.or(c.find(s, left, false))
		}
	}
}

// maxFolded bounds the segments that are compared with names and text around
// them. What is longer counts as like all of them.
const maxFolded = 1024 // bytes

func (n *node) findPartial(s *search, segment, left string) candidate {
	var buf [maxFolded]byte
	text, ok := fold(buf[:0], segment, plusIsPlus)
	mayHavePlus := mayHavePlus(segment)
	for i := range n.partials {
		p := &n.partials[i]
		if ok && !isLike(p.texts, text) && (!mayHavePlus || !isLikeWithSpaces(p.texts, segment)) {
			continue
		}
		if c := p.node.find(s, left, false); c.route != nil {
			return c
		}
	}
	return candidate{}
}

// isLikeWithSpaces is isLike where a plus sign is a space. It has room of its
// own, as few segments have a plus sign.
func isLikeWithSpaces(texts [][]byte, segment string) bool {
	var buf [maxFolded]byte
	text, _ := fold(buf[:0], segment, plusIsSpace)
	return isLike(texts, text)
}

// end chooses among patterns that end at a node: same has those that agree with
// the path on a slash at the end, other the rest. Where both sides are folded
// there is nothing left to compare.
func (s *search) end(same, other *leaf, folded bool) (c candidate) {
	for l := same; l != nil; l = l.next {
		if r := s.route(l); r != nil {
			if folded && l.folded || l.pattern.matches(s.path) {
				return candidate{r, &l.pattern, true}
			}
			c = candidate{route: r, pattern: &l.pattern}
		}
	}
	for l := other; l != nil && c.route == nil; l = l.next {
		c = candidate{route: s.route(l), pattern: &l.pattern}
	}
	return c
}

// route returns that of a leaf which is searched for, or nil.
func (s *search) route(l *leaf) *Route {
	if s.except != nil && s.except.sameTexts(&l.pattern) {
		return nil
	}
	return l.route(s.method)
}

// isFolded reports whether folding a path that is exactly of the pattern leaves
// its literals as they are.
func (p *pattern) isFolded() bool {
	return !slices.ContainsFunc(p.segments, func(s segment) bool {
		return !s.isName() && (!s.isLiteral() || s.text != string(foldedText(s.text)))
	})
}

// sameTexts reports whether two patterns differ in names alone.
func (p *pattern) sameTexts(q *pattern) bool {
	return slices.EqualFunc(p.segments, q.segments, func(a, b segment) bool {
		return a.text == b.text && slices.Equal(a.texts, b.texts)
	})
}
