package access

import (
	"bytes"
	"slices"
)

// node is a place in the tree of patterns, reached by a sequence of segments.
// Segments that some backend treats as the same lead to the same node. The leaves
// at its end tell the spellings of patterns apart.
type node struct {
	literals map[string]*node // by folded literal
	partials []partial        // names with text around them, the most specific first
	name     *node            // by {name}

	here  *leaf // patterns that end here,
	slash *leaf // that end here with a slash after it,
	rest  *leaf // and that end here with a * after it
}

// partial is an edge for a segment with names and text around them.
type partial struct {
	segment *segment
	texts   [][]byte // folded
	node    *node
}

// leaf holds the routes of one pattern, by method.
type leaf struct {
	pattern pattern
	folded  bool // folding does not change its literals, and no name has text around it
	routes  [methodCount]*Route
	next    *leaf // another pattern that ends here, in another spelling; or nil
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

// end returns the list of leaves that a pattern is in.
func (n *node) end(p *pattern) **leaf {
	for i := range p.segments {
		n = n.child(&p.segments[i])
	}
	switch {
	case p.rest:
		return &n.rest
	case p.slash:
		return &n.slash
	default:
		return &n.here
	}
}

// child returns the node that a segment leads to, and adds it if there is none.
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

// search is the look-up of a route for one request.
type search struct {
	method method
	path   string   // percent-encoded
	except *pattern // a pattern to ignore, in all spellings; nil: none
}

// candidate is a route that some backend might select for the request. The zero
// candidate is none.
type candidate struct {
	route   *Route
	pattern *pattern
	exact   bool // the path matches the pattern byte for byte
}

// or returns the more specific of two candidates, and c if they are equal.
func (c candidate) or(o candidate) candidate {
	if c.route == nil || o.route != nil && o.pattern.compare(c.pattern) < 0 {
		return o
	}
	return c
}

// find returns the most specific candidate below n for the rest of the path,
// which is "" or starts with a slash; see [Table.Match]. folded says that folding
// did not change the literals up to here. Each node is visited at most once,
// because only one path leads to it.
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

// findLiteral tries the literal that is equal to the segment. It also tries the
// literals that the segment is equal to after a format, which is a dot and any
// text, or after spaces and dots, which Windows removes, are cut off.
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
// something after a literal.
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
		text = trimSpaces(text) // a literal may be what is left without spaces and formats
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

// maxFolded bounds the segments that are compared with texts around names. A
// longer segment counts as like all of them.
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

// isLikeWithSpaces is isLike with plus signs read as spaces. It has a buffer of
// its own, because few segments have a plus sign.
func isLikeWithSpaces(texts [][]byte, segment string) bool {
	var buf [maxFolded]byte
	text, _ := fold(buf[:0], segment, plusIsSpace)
	return isLike(texts, text)
}

// end selects among the patterns that end at a node. same has those that agree
// with the path on a slash at the end, and other has the rest. If both path and
// pattern are folded, nothing is left to compare.
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

// route returns the route of a leaf that the search looks for, or nil.
func (s *search) route(l *leaf) *Route {
	if s.except != nil && s.except.sameTexts(&l.pattern) {
		return nil
	}
	return l.route(s.method)
}

// isFolded reports whether folding does not change the literals of a path that
// matches the pattern exactly.
func (p *pattern) isFolded() bool {
	return !slices.ContainsFunc(p.segments, func(s segment) bool {
		return !s.isName() && (!s.isLiteral() || s.text != string(foldedText(s.text)))
	})
}

// sameTexts reports whether two patterns have the same segments but for the names in
// them. It ignores a slash or a star at the end.
func (p *pattern) sameTexts(q *pattern) bool {
	return slices.EqualFunc(p.segments, q.segments, func(a, b segment) bool {
		return a.text == b.text && slices.Equal(a.texts, b.texts)
	})
}
