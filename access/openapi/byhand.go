package openapi

import (
	"strings"

	"github.com/socialpatra/keygate/access"
)

// byHand is the advice for an operation that no document can map.
func (o *operation) byHand() string {
	if line := denyLine(o.method, o.path); line != "" {
		return "; write its route in keygate, with what it needs in place of deny: " + line
	}
	return "; serve it at another path"
}

// DenyLine is a route line for keygate that takes all requests of an operation, or
// "" where there is none. It denies them, so that nobody who follows an advice
// without a thought opens anything.
func (o *Operation) DenyLine() string { return denyLine(o.Method, o.Path) }

func denyLine(method, path string) string {
	path, _ = cutQuery(path)
	if pattern := writtenPattern(path); pattern != "" && isServed(method) {
		return "deny " + method + " " + pattern
	}
	return ""
}

// writtenPattern makes a pattern that a Caddyfile can have, and that has just the
// requests for a path template; "" where there is none. As in a denied pattern a
// star and several parameters in a row are one name.
func writtenPattern(path string) string {
	names := make(map[string]bool)
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if i < len(segments)-1 || s != "*" {
			segments[i] = writtenSegment(s, names, i)
		}
	}
	pattern := strings.Join(segments, "/")
	if !canBeWritten(pattern) {
		return ""
	}
	return pattern
}

func writtenSegment(s string, names map[string]bool, place int) string {
	var written strings.Builder
	named := false // by what is written last
	name := func(name string) {
		if !named {
			written.WriteString("{" + unique(names, name, place) + "}")
		}
		named = true
	}
	for s != "" {
		inside, after, closed := strings.Cut(s[1:], "}")
		switch {
		case s[0] == '*':
			name("any")
			s = s[1:]
		case s[0] == '{' && closed:
			name(inside)
			s = after
		default:
			written.WriteByte(s[0])
			named = false
			s = s[1:]
		}
	}
	return written.String()
}

func canBeWritten(pattern string) bool {
	r := access.Route{Methods: []string{"GET"}, Pattern: pattern, Access: access.Denied}
	return r.Check() == nil
}

// remarks tells of segments that Express and others would take for a name.
func (o *operation) remarks() []Remark {
	for segment := range strings.SplitSeq(o.path, "/") {
		if name, ok := strings.CutPrefix(segment, ":"); ok && name != "" {
			names := make(map[string]bool)
			return []Remark{{ColonName, o.source, "the segment " + segment + " is that very text in OpenAPI, and no name; for any one segment write in the document: {" + unique(names, name, 0) + "}"}}
		}
	}
	return nil
}
