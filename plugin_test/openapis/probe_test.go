package openapis

import (
	"strings"
)

// probe is a path to request.
type probe struct {
	path string
	of   *template // what it was made from
	must bool      // it is for no other template, so that nothing is an excuse to refuse it
	why  string
	// found are the templates that take the path
	found []*template
}

// Values of parameters that some programs read in another way. They are
// percent-encoded as in a request.
var trickyValues = []string{"a1.b2", "a:b", "12345", "a%20b", "x.json", "a+b", "-", "~", "a,b=c", "%C3%A4", "a.b.c", "...a", strings.Repeat("v", 300)}

const (
	mostMeetings  = 24 // of a template with others
	mostNeighbour = 12 // literal texts beside a parameter
)

// probes makes paths for all templates: with plain values, with tricky ones, with
// the texts that others have in the same place, and paths that are near and for no
// operation.
func (p *paths) probes() (all []probe) {
	texts := p.neighbourTexts()
	bySegments := make(map[int][]*template)
	for _, t := range p.all {
		bySegments[len(t.segments)] = append(bySegments[len(t.segments)], t)
	}
	for _, t := range p.all {
		seen := make(map[string]bool)
		add := func(path, why string, must bool) {
			if !seen[path] {
				seen[path] = true
				all = append(all, probe{path: path, of: t, must: must, why: why, found: p.find(path)})
			}
		}
		base := t.fill(allPlain)
		add(base, "plain values", true)
		alone := t.alone(bySegments)
		for i := range t.parameters() {
			put := func(v, why string, must bool) {
				add(t.fill(func(n int) string {
					if n == i {
						return v
					}
					return plain
				}), why, must)
			}
			for _, v := range trickyValues {
				put(v, "a tricky value", alone && t.whole() && len(v) < 255)
			}
			for _, v := range texts[t.place(i)] {
				put(v, "a neighbour's text", false)
				put(strings.ToUpper(v), "a neighbour's text in capitals", false)
				put(v+".json", "a neighbour's text with a format", false)
			}
		}
		meetings := 0
		for _, u := range bySegments[len(t.segments)] {
			if u == t || meetings == mostMeetings {
				continue
			}
			if path := t.meet(u); path != "" && path != base {
				meetings++
				add(path, "also one for "+u.text, false)
			}
		}
		add(base+"/", "a slash at the end", false)
		if before, ok := strings.CutSuffix(base, "/"); ok && before != "" {
			add(before, "no slash at the end", false)
		}
		add(swapCase(base), "the other case", false)
		add(base+"/"+plain, "one segment more", false)
		add(base+".json", "with a format", false)
	}
	return all
}

// whole says that every parameter is a segment of its own.
func (t *template) whole() bool {
	for i := range t.segments {
		if !t.segments[i].literal() && !t.segments[i].parameter() {
			return false
		}
	}
	return !t.rest
}

// alone reports whether no other template could be taken for t, also where
// only the beginnings of texts are compared, and those without case.
func (t *template) alone(bySegments map[int][]*template) bool {
	for _, n := range []int{len(t.segments) - 1, len(t.segments), len(t.segments) + 1} {
		for _, u := range bySegments[n] {
			if u != t && t.resembles(u) {
				return false
			}
		}
	}
	return true
}

func (t *template) resembles(u *template) bool {
	for i := range min(len(t.segments), len(u.segments)) {
		a, b := &t.segments[i], &u.segments[i]
		if a.literal() && b.literal() && !strings.EqualFold(a.texts[0], b.texts[0]) {
			x, y := strings.ToLower(a.texts[0]), strings.ToLower(b.texts[0])
			if !strings.HasPrefix(x, y) && !strings.HasPrefix(y, x) {
				return false
			}
		}
	}
	if len(t.segments) != len(u.segments) {
		longer := t
		if len(u.segments) > len(t.segments) {
			longer = u
		}
		last := &longer.segments[len(longer.segments)-1]
		return longer.rest || last.literal() && last.texts[0] == ""
	}
	return true
}

// place names where parameter i of t stands: what is before it, with parameters
// alike.
func (t *template) place(i int) string {
	var b strings.Builder
	n := 0
	for k := range t.segments {
		n += len(t.segments[k].texts) - 1
		if n > i {
			return b.String()
		}
		b.WriteString("/" + t.segments[k].example())
	}
	return b.String()
}

// neighbourTexts has the literal segments that stand where others have a
// parameter, by place.
func (p *paths) neighbourTexts() map[string][]string {
	texts := make(map[string][]string)
	seen := make(map[string]bool)
	for _, t := range p.all {
		place := ""
		for i := range t.segments {
			s := &t.segments[i]
			if s.literal() && s.texts[0] != "" && len(texts[place]) < mostNeighbour && !seen[place+"\x00"+s.texts[0]] {
				seen[place+"\x00"+s.texts[0]] = true
				texts[place] = append(texts[place], encoded(s.texts[0]))
			}
			place += "/" + s.example()
		}
	}
	return texts
}

// swapCase changes the case of letters, but not of escapes.
func swapCase(path string) string {
	b := []byte(path)
	for i := 0; i < len(b); i++ {
		if b[i] == '%' {
			i += 2
		} else if c := b[i] | 0x20; 'a' <= c && c <= 'z' {
			b[i] ^= 0x20
		}
	}
	return string(b)
}
