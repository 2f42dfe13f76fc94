package access

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// node is a place in the tree of patterns, reached by a number of segments
// that are the same for every path that gets there.
type node struct {
	literal  string             // the segment that leads here; "" for {name}
	literals map[string][]*node // by the folded literal
	param    *node              // by {name}

	here  *leaf // patterns that end here,
	slash *leaf // here with a slash after it, and
	rest  *leaf // here with a * after it
}

// leaf holds the routes of one pattern. A nil leaf has none.
type leaf [methodCount]*Route

func (l *leaf) route(m method) *Route {
	if l == nil {
		return nil
	}
	r := l[m]
	if r == nil && m == methodHead {
		r = l[methodGet]
	}
	if r == nil {
		r = l[methodAny]
	}
	return r
}

// insert returns the leaf of a pattern.
func (n *node) insert(p pattern) *leaf {
	for _, s := range p.segments {
		n = n.child(s)
	}
	l := &n.here
	switch {
	case p.rest:
		l = &n.rest
	case p.slash:
		l = &n.slash
	}
	if *l == nil {
		*l = new(leaf)
	}
	return *l
}

func (n *node) child(s segment) *node {
	if s.param {
		if n.param == nil {
			n.param = new(node)
		}
		return n.param
	}
	c, folded := n.literalChild(s.text)
	if c != nil {
		return c
	}
	if n.literals == nil {
		n.literals = make(map[string][]*node)
	}
	c = &node{literal: s.text}
	n.literals[folded] = append(n.literals[folded], c)
	return c
}

// literalChild returns the node of exactly this segment, or nil, and what the
// segment is folded to.
func (n *node) literalChild(text string) (c *node, folded string) {
	var buf [maxLiteralLen]byte
	bytes, _ := fold(buf[:0], text)
	folded = string(bytes)
	for _, c := range n.literals[folded] {
		if c.literal == text {
			return c, folded
		}
	}
	return nil, folded
}

// find returns the most specific candidate below n for what is left of a path,
// and whether the path matches it exactly; see [Table.Match]. Each node is
// visited at most once, as only one path leads to it.
func (n *node) find(m method, path string) (r *Route, exact bool) {
	switch path {
	case "":
		return preferred(m, n.here, n.slash)
	case "/":
		return preferred(m, n.slash, n.here)
	}
	segment, rest := path[1:], ""
	if end := strings.IndexByte(segment, '/'); end >= 0 {
		segment, rest = segment[:end], segment[end:]
	}
	if n.literals != nil {
		if r, exact := n.findLiteral(m, segment, rest); r != nil {
			return r, exact
		}
	}
	if n.param != nil {
		if r, exact := n.param.find(m, rest); r != nil {
			return r, exact
		}
	}
	if r := n.rest.route(m); r != nil {
		return r, !strings.HasSuffix(rest, "/")
	}
	return nil, false
}

// findLiteral tries the literal that is the segment, then those that some
// backend takes for it.
func (n *node) findLiteral(m method, segment, rest string) (r *Route, exact bool) {
	var buf [maxLiteralLen]byte
	folded, ok := fold(buf[:0], segment)
	if !ok {
		return nil, false
	}
	alike := n.literals[string(folded)]
	for _, c := range alike {
		if c.literal == segment {
			if r, exact := c.find(m, rest); r != nil {
				return r, exact
			}
		}
	}
	for _, c := range alike {
		if c.literal != segment {
			if r, _ := c.find(m, rest); r != nil {
				return r, false
			}
		}
	}
	return nil, false
}

func preferred(m method, same, other *leaf) (r *Route, exact bool) {
	if r := same.route(m); r != nil {
		return r, true
	}
	return other.route(m), false
}

// fold appends a segment to dst, percent-decoded and without regard to case.
// Segments too long for dst are no literal: for them it returns false.
func fold(dst []byte, segment string) ([]byte, bool) {
	for i := 0; i < len(segment); {
		if len(dst) == cap(dst) {
			return nil, false
		}
		c := segment[i]
		if c != '%' {
			dst = append(dst, lower(c))
			i++
			continue
		}
		r, n := decodeEscape(segment[i:])
		r = foldRune(r)
		if n == 0 || len(dst)+utf8.RuneLen(r) > cap(dst) {
			return nil, false
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst, true
}

// foldRune returns one and the same rune for all that differ only in case. The
// Kelvin sign is a k to some, and the Turkish dotted I and dotless i, which
// simple folding keeps apart, are an i to those who convert to lower or upper
// case before they compare.
func foldRune(r rune) rune {
	if r == 'İ' || r == 'ı' {
		return 'i'
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least < utf8.RuneSelf {
		return rune(lower(byte(least)))
	}
	return least
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
