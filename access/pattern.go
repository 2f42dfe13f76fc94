package access

import (
	"cmp"
	"slices"
	"strings"
)

// pattern is a parsed path pattern.
type pattern struct {
	segments []segment
	rest     bool // ends in *: one or more segments may follow
	slash    bool // ends in a slash
	partial  bool // has names with text around them
}

const (
	maxPatternLen = 1024 // bytes
	maxLiteralLen = 255  // bytes of one segment

	acceptedPattern = "a path such as /v1/posts, /v1/posts/{id}, /v1/reports/{id}.csv or /v1/analytics/*"
)

// parsePattern returns a pattern, or what is wrong with it. literal says which
// texts a segment may have besides names.
func parsePattern(s string, literal literalRule) (p pattern, problem string) {
	path, ok := strings.CutPrefix(s, "/")
	switch {
	case !ok:
		return p, "does not start with a slash; accepted: " + acceptedPattern
	case path == "":
		return pattern{slash: true}, ""
	}
	path, p.slash = strings.CutSuffix(path, "/")
	texts := strings.Split(path, "/")
	var names []string
	for i, text := range texts {
		if text == "*" {
			if i < len(texts)-1 || p.slash {
				return p, "has a * that is not at the end; accepted there: {name}, for one segment"
			}
			p.rest = true
			break
		}
		seg, here, problem := parseSegment(text, literal)
		if problem != "" {
			return p, problem
		}
		for _, name := range here {
			if slices.Contains(names, name) {
				return p, "has {" + name + "} twice; accepted: each name once"
			}
			names = append(names, name)
		}
		p.segments = append(p.segments, seg)
		p.partial = p.partial || !seg.isLiteral() && !seg.isName()
	}
	return p, ""
}

// key is the same for patterns that differ only in names.
func (p *pattern) key() string {
	var b strings.Builder
	for i := range p.segments {
		s := &p.segments[i]
		b.WriteByte('/')
		if s.isLiteral() {
			b.WriteString(s.text)
		} else {
			b.WriteString(strings.Join(s.texts, "{"))
		}
	}
	switch {
	case p.rest:
		b.WriteString("/*")
	case p.slash:
		b.WriteByte('/')
	}
	return b.String()
}

// matches reports whether a path matches the pattern exactly.
func (p *pattern) matches(path string) bool {
	for i := range p.segments {
		if path == "" {
			return false
		}
		text, rest := cutSegment(path)
		if !p.segments[i].matches(text) {
			return false
		}
		path = rest
	}
	switch {
	case p.rest:
		return len(path) > 1 && path[len(path)-1] != '/'
	case p.slash:
		return path == "/"
	default:
		return path == ""
	}
}

// isPlain reports whether all backends agree that a path, which matches, belongs
// to the pattern; see [segment.isPlain].
func (p *pattern) isPlain(path string) bool {
	for i := range p.segments {
		s := &p.segments[i]
		text, rest := cutSegment(path)
		if !s.isLiteral() && !s.isName() && !s.isPlain(text) {
			return false
		}
		path = rest
	}
	return true
}

// cutSegment cuts the first segment off a path that starts with a slash.
func cutSegment(path string) (text, rest string) {
	text = path[1:]
	if end := strings.IndexByte(text, '/'); end >= 0 {
		return text[:end], text[end:]
	}
	return text, ""
}

// compare orders two patterns that both may match one path for some backend. It
// is negative if p is more specific. It is 0 if they differ only in spelling,
// names or a slash at the end.
func (p *pattern) compare(q *pattern) int {
	for i := range min(len(p.segments), len(q.segments)) {
		if c := p.segments[i].compare(&q.segments[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(q.segments), len(p.segments)) // the shorter one ends in *
}
