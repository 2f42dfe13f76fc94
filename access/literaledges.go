package access

import (
	"slices"
	"strings"
)

// literalEdges are edges for literals. Most places have one.
type literalEdges struct {
	few  []literalEdge
	many map[string]*shape // in place of few

	// All of many in the order of their texts, and of their texts from end to
	// front; made when they are needed.
	sorted, turned []literalEdge
}

type literalEdge struct {
	text string
	to   *shape
}

const fewLiterals = 8

func (l *literalEdges) get(text string) *shape {
	for i := range l.few {
		if l.few[i].text == text {
			return l.few[i].to
		}
	}
	return l.many[text]
}

func (l *literalEdges) add(text string, to *shape) {
	if l.many != nil {
		l.many[text] = to
		return
	}
	if l.few = append(l.few, literalEdge{text, to}); len(l.few) > fewLiterals {
		l.many = make(map[string]*shape)
		for _, e := range l.few {
			l.many[e.text] = e.to
		}
		l.few = nil
	}
}

func (l *literalEdges) len() int { return len(l.few) + len(l.many) }

func (l *literalEdges) each(found func(text string, to *shape)) {
	for _, e := range l.few {
		found(e.text, e.to)
	}
	for text, to := range l.many {
		found(text, to)
	}
}

// matching calls found for the edges that a segment with names and text matches.
// It looks at those that begin or end as the segment does.
func (l *literalEdges) matching(g *segment, found func(*shape)) (steps int) {
	for _, e := range l.few {
		steps++
		if g.matches(e.text) {
			found(e.to)
		}
	}
	if l.many == nil {
		return steps
	}
	edges, begin := l.inTurnedOrder(), turned(g.end())
	if g.front() != "" {
		edges, begin = l.inOrder(), g.front()
	}
	from, _ := slices.BinarySearchFunc(edges, begin, func(e literalEdge, s string) int { return strings.Compare(e.text, s) })
	for _, e := range edges[from:] {
		steps++
		if !strings.HasPrefix(e.text, begin) {
			break
		}
		if g.front() == "" {
			e.text = turned(e.text)
		}
		if g.matches(e.text) {
			found(e.to)
		}
	}
	return steps
}

func (l *literalEdges) inOrder() []literalEdge {
	if l.sorted == nil {
		l.sorted = l.order(func(text string) string { return text })
	}
	return l.sorted
}

func (l *literalEdges) inTurnedOrder() []literalEdge {
	if l.turned == nil {
		l.turned = l.order(turned)
	}
	return l.turned
}

func (l *literalEdges) order(key func(string) string) []literalEdge {
	edges := make([]literalEdge, 0, len(l.many))
	for text, to := range l.many {
		edges = append(edges, literalEdge{key(text), to})
	}
	slices.SortFunc(edges, func(a, b literalEdge) int { return strings.Compare(a.text, b.text) })
	return edges
}

// turned returns the bytes of a text from end to front.
func turned(text string) string {
	b := []byte(text)
	slices.Reverse(b)
	return string(b)
}
