package openapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// crossPath is a pattern as its segments, with aName for each name. A slash at
// the end is an empty segment.
type crossPath struct {
	segments []string
	rest     bool // ends in *
}

func crossPathOf(pattern string) crossPath {
	segments := strings.Split(mapTemplate(pattern, one), "/")[1:]
	last := len(segments) - 1
	if segments[last] == "*" {
		return crossPath{segments[:last], true}
	}
	return crossPath{segments, false}
}

// key is the same for patterns that differ in names alone.
func (p crossPath) key() string {
	key := "/" + strings.Join(p.segments, "/")
	if p.rest {
		key += "/*"
	}
	return key
}

func (p crossPath) pattern() string {
	segments := slices.Clone(p.segments)
	for i, s := range segments {
		var b strings.Builder
		for j := range len(s) {
			if s[j:j+1] == aName {
				fmt.Fprintf(&b, "{p%d-%d}", i, j)
			} else {
				b.WriteByte(s[j])
			}
		}
		segments[i] = b.String()
	}
	return crossPath{segments, p.rest}.key()
}

// meet returns the path that has the requests of both. It is not ok if there is
// none, or if no pattern has just them: of two segments with text around names,
// one must be within the other.
func (p crossPath) meet(q crossPath) (both crossPath, ok bool) {
	if len(p.segments) > len(q.segments) {
		p, q = q, p
	}
	n := len(p.segments)
	switch {
	case len(q.segments) > n && (!p.rest || q.segments[len(q.segments)-1] == ""):
		return both, false
	case len(q.segments) == n && p.rest != q.rest: // * is one segment or more
		return both, false
	}
	both = crossPath{slices.Clone(q.segments), q.rest}
	for i, s := range p.segments {
		switch {
		case segmentWithin(both.segments[i], s):
		case segmentWithin(s, both.segments[i]):
			both.segments[i] = s
		default:
			return both, false
		}
	}
	return both, true
}

// within reports whether all requests of p are of q.
func (p crossPath) within(q crossPath) bool {
	both, ok := p.meet(q)
	return ok && both.key() == p.key()
}

// compare is negative if p is more specific, segment by segment; see
// [access.Table.Match]. Neither is within the other.
func (p crossPath) compare(q crossPath) int {
	for i := range min(len(p.segments), len(q.segments)) {
		switch a, b := p.segments[i], q.segments[i]; {
		case a == b:
		case segmentWithin(a, b):
			return -1
		case segmentWithin(b, a):
			return 1
		}
	}
	return 0
}

// segmentWithin reports whether every text of a segment is one of another.
func segmentWithin(s, of string) bool {
	texts := strings.Split(of, aName)
	last := len(texts) - 1
	if last == 0 {
		return s == of
	}
	s, ok := strings.CutPrefix(s, texts[0])
	for _, between := range texts[1:last] {
		if !ok || s == "" {
			return false
		}
		_, s, ok = strings.Cut(s[1:], between)
	}
	return ok && len(s) > len(texts[last]) && strings.HasSuffix(s, texts[last])
}

// placed is a route and its path.
type placed struct {
	route *access.Route
	path  crossPath
	class int // see crossing
}

// spot is a place in the tree of paths.
type spot struct {
	literals map[string]*spot
	others   []otherSpot // by segments with a name
	here     []*placed
	rest     []*placed
	class    int // of all below, or -1
}

type otherSpot struct {
	segment string
	*spot
}

func (s *spot) add(p *placed) {
	s.note(p.class)
	for _, segment := range p.path.segments {
		s = s.child(segment)
		s.note(p.class)
	}
	if p.path.rest {
		s.rest = append(s.rest, p)
	} else {
		s.here = append(s.here, p)
	}
}

func (s *spot) note(class int) {
	switch s.class {
	case 0:
		s.class = class
	case class:
	default:
		s.class = -1
	}
}

func (s *spot) child(segment string) *spot {
	if strings.Contains(segment, aName) {
		i := slices.IndexFunc(s.others, func(o otherSpot) bool { return o.segment == segment })
		if i < 0 {
			i, s.others = len(s.others), append(s.others, otherSpot{segment, new(spot)})
		}
		return s.others[i].spot
	}
	next := s.literals[segment]
	if next == nil {
		if s.literals == nil {
			s.literals = make(map[string]*spot)
		}
		next = new(spot)
		s.literals[segment] = next
	}
	return next
}

// meeting returns all routes that have requests in common with a path, and perhaps
// some others. It may leave out routes of the given class, which need what the path
// needs. Class 0 leaves out none.
func (s *spot) meeting(p crossPath, class int) (found []*placed) {
	s.visit(p, 0, class, func(l []*placed) { found = append(found, l...) })
	return found
}

func (s *spot) visit(p crossPath, depth, class int, found func([]*placed)) {
	if s.class == class {
		return
	}
	if depth >= len(p.segments) {
		if depth > len(p.segments) || !p.rest {
			found(s.here)
		}
		found(s.rest)
		if p.rest {
			for _, next := range s.literals {
				next.visit(p, depth+1, class, found)
			}
			for _, o := range s.others {
				o.visit(p, depth+1, class, found)
			}
		}
		return
	}
	found(s.rest)
	segment := p.segments[depth]
	if !strings.Contains(segment, aName) {
		if next := s.literals[segment]; next != nil {
			next.visit(p, depth+1, class, found)
		}
	} else {
		for text, next := range s.literals {
			if segmentWithin(text, segment) {
				next.visit(p, depth+1, class, found)
			}
		}
	}
	for _, o := range s.others {
		if segmentWithin(segment, o.segment) || segmentWithin(o.segment, segment) {
			o.visit(p, depth+1, class, found)
		}
	}
}
