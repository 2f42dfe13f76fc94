package openapi

import (
	"strconv"
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

// writtenPattern makes a pattern that a Caddyfile can have, and that has every
// request for a path template; "" where there is none.
func writtenPattern(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if i == 0 || s == "" || i == len(segments)-1 && s == "*" {
			continue
		}
		segments[i] = writtenSegment(s, i)
	}
	pattern := strings.Join(segments, "/")
	if !canBeWritten(pattern) {
		return ""
	}
	return pattern
}

// writtenSegment returns a segment with names that a pattern can have, or a
// name for all of it.
func writtenSegment(s string, place int) string {
	names := make(map[string]bool)
	segment := strings.ReplaceAll(s, "*", aName) // a star is for a whole segment, at the end
	segment = mapTemplate(segment, func(name string) string { return "{" + unique(names, name, place) + "}" })
	if Word(segment) != "" && canBeWritten("/"+segment) {
		return segment
	}
	return "{p" + strconv.Itoa(place) + "}"
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
