package access

import "strings"

// textEdges are the edges of a [shape] for segments with names and text around
// them, found by the texts in front and at the end.
type textEdges struct {
	all          []textEdge
	known        map[string]*shape    // by all texts
	ends, fronts map[string]*textEdge // those with an end, or a front, as one
	both         map[[2]string][]int  // places in all, by front and end
}

// textEdge is one edge, or several.
type textEdge struct {
	segment *segment
	to      *shape
	places  []int // in all, if it is several
}

func (s *segment) front() string { return s.texts[0] }
func (s *segment) end() string   { return s.texts[len(s.texts)-1] }

func newTextEdges() *textEdges {
	return &textEdges{
		known:  make(map[string]*shape),
		ends:   make(map[string]*textEdge),
		fronts: make(map[string]*textEdge),
		both:   make(map[[2]string][]int),
	}
}

// edges returns all of them; there may be none.
func (t *textEdges) edges() []textEdge {
	if t == nil {
		return nil
	}
	return t.all
}

// child returns what a segment leads to, and adds it if there is nothing.
func (t *textEdges) child(g *segment) *shape {
	key := strings.Join(g.texts, "\x00")
	if c := t.known[key]; c != nil {
		return c
	}
	c, place, front, end := new(shape), len(t.all), g.front(), g.end()
	t.known[key] = c
	t.all = append(t.all, textEdge{segment: g, to: c})
	both := [2]string{front, end}
	t.both[both] = append(t.both[both], place)
	for _, group := range []struct {
		edges map[string]*textEdge
		key   string
	}{{t.fronts, front}, {t.ends, end}} {
		e := group.edges[group.key]
		if e == nil {
			e = &textEdge{segment: g}
			group.edges[group.key] = e
		}
		e.places = append(e.places, place)
	}
	return c
}

// over calls found for the edges that match the text of a segment.
func (t *textEdges) over(text string, found func(*shape)) (steps int) {
	for i := range len(text) + 1 {
		steps++
		if t.ends[text[i:]] == nil {
			continue
		}
		for j := range i {
			for _, place := range t.both[[2]string{text[:j], text[i:]}] {
				steps++
				if e := &t.all[place]; e.segment.matches(text) {
					found(e.to)
				}
			}
		}
	}
	return steps
}

// meeting calls found for what the edges lead to that meet a segment with names and
// text. If the segment has no text at one side, every edge meets it there. Edges with
// the same text at the other side are then found as one.
func (t *textEdges) meeting(g *segment, found func(*shape)) (steps int) {
	groups := t.ends
	if g.end() == "" {
		groups = t.fronts
	}
	for _, group := range groups {
		steps++
		switch {
		case g.end() == "" && !meetInFront(g, group.segment), g.end() != "" && !meetAtEnd(g, group.segment):
		case g.end() == "" || g.front() == "":
			found(t.asOne(group))
		default:
			for _, place := range group.places {
				steps++
				if e := &t.all[place]; meetInFront(g, e.segment) {
					found(e.to)
				}
			}
		}
	}
	return steps
}

// asOne returns what a group of edges leads to.
func (t *textEdges) asOne(group *textEdge) *shape {
	if group.to == nil {
		group.to = new(shape)
		for _, place := range group.places {
			group.to.lay(t.all[place].to)
		}
	}
	return group.to
}

func meetInFront(s, o *segment) bool {
	a, b := s.front(), o.front()
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

func meetAtEnd(s, o *segment) bool {
	a, b := s.end(), o.end()
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}
