package openapis

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// template is a path with parameters, as OpenAPI has it.
type template struct {
	text     string // the base path and the path
	cut      bool   // it goes on with a query or a fragment, which are no part of a path
	rest     bool   // a last segment *, which is one segment or more
	segments []segment
	ops      map[string]*operation // by method
}

// segment is the literal texts of a segment of a template, around parameters.
type segment struct {
	texts []string
	match *regexp.Regexp // nil: a literal, or a parameter alone
}

func (s *segment) literal() bool { return len(s.texts) == 1 }

func (s *segment) parameter() bool { return len(s.texts) == 2 && s.texts[0]+s.texts[1] == "" }

var parameter = regexp.MustCompile(`\{[^{}]*\}`)

// newTemplate takes a path apart.
func newTemplate(text string) *template {
	t := &template{text: text, ops: make(map[string]*operation)}
	// A parameter may have any name, also one with a slash in it.
	var whole strings.Builder
	last := 0
	for _, place := range parameter.FindAllStringIndex(text, -1) {
		whole.WriteString(text[last:place[0]] + "\x00")
		last = place[1]
	}
	whole.WriteString(text[last:])
	requested := whole.String()
	if i := strings.IndexAny(requested, "?#"); i >= 0 {
		requested, t.cut = requested[:i], true
	}
	parts := strings.Split(strings.TrimPrefix(requested, "/"), "/")
	if n := len(parts) - 1; parts[n] == "*" {
		t.rest, parts = true, parts[:n]
	}
	for _, part := range parts {
		t.segments = append(t.segments, newSegment(part))
	}
	return t
}

func newSegment(part string) segment {
	s := segment{texts: strings.Split(part, "\x00")}
	for i, text := range s.texts {
		s.texts[i] = decoded(text)
	}
	if !s.literal() && !s.parameter() {
		quoted := make([]string, len(s.texts))
		for i, text := range s.texts {
			quoted[i] = regexp.QuoteMeta(text)
		}
		s.match = regexp.MustCompile(`(?s)^` + strings.Join(quoted, `.+`) + `$`)
	}
	return s
}

// decoded compares texts and requests in one form.
func decoded(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// takes reports whether a segment of a request, decoded, is one for s.
func (s *segment) takes(text string) bool {
	switch {
	case s.literal():
		return s.texts[0] == text
	case s.match == nil:
		return text != ""
	default:
		return s.match.MatchString(text)
	}
}

func split(path string) []string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range parts {
		parts[i] = decoded(parts[i])
	}
	return parts
}

// takes reports whether a request for the path is one for t.
func (t *template) takes(parts []string) bool {
	switch {
	case t.rest && (len(parts) <= len(t.segments) || parts[len(parts)-1] == ""):
		return false
	case !t.rest && len(parts) != len(t.segments):
		return false
	}
	for i := range t.segments {
		if !t.segments[i].takes(parts[i]) {
			return false
		}
	}
	return true
}

// plain is a value that no document has anywhere.
const plain = "kgq7w"

// fill makes a path of t. Value number i is for parameter number i; it is
// percent-encoded already.
func (t *template) fill(value func(i int) string) string {
	var b strings.Builder
	n := 0
	for i := range t.segments {
		b.WriteByte('/')
		for j, text := range t.segments[i].texts {
			if j > 0 {
				b.WriteString(value(n))
				n++
			}
			b.WriteString(encoded(text))
		}
	}
	if t.rest {
		b.WriteString("/" + value(n))
	}
	return b.String()
}

func allPlain(int) string { return plain }

// parameters is how many values fill takes.
func (t *template) parameters() (n int) {
	for i := range t.segments {
		n += len(t.segments[i].texts) - 1
	}
	if t.rest {
		n++
	}
	return n
}

// encoded percent-encodes what clients do.
func encoded(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>^`{|}%?#", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// within reports whether every request for t is one for u, and not the other
// way round. It is told by an example, whose values stand for all others.
func (t *template) within(u *template) bool {
	return u.takes(split(t.fill(allPlain))) && !t.takes(split(u.fill(allPlain)))
}

// meet returns a path that is one for both, or "". Where one has a parameter the
// other's text is taken.
func (t *template) meet(u *template) string {
	if len(t.segments) != len(u.segments) || t.rest || u.rest {
		return ""
	}
	var b strings.Builder
	for i := range t.segments {
		text := t.segments[i].example()
		if other := u.segments[i].example(); !u.segments[i].takes(text) {
			if !t.segments[i].takes(other) {
				return ""
			}
			text = other
		}
		b.WriteString("/" + encoded(text))
	}
	return b.String()
}

func (s *segment) example() string { return strings.Join(s.texts, plain) }
