package access

import (
	"fmt"
	"slices"
	"strings"
)

// pattern is a parsed path pattern.
type pattern struct {
	segments []segment
	rest     bool // ends in *: one or more segments follow
	slash    bool // ends in a slash
}

// segment is a literal, or {name} for any one segment.
type segment struct {
	text  string
	param bool
}

const (
	maxPatternLen = 1024 // bytes
	maxLiteralLen = 255  // bytes of one literal segment

	acceptedPattern = "a path such as /v1/posts, /v1/posts/{id} or /v1/analytics/*"
	literalChars    = "A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) + , = : @"
)

// isLiteralChar leaves out what requests must percent-encode: URIs that differ
// in that are not equivalent (RFC 3986 §2.2), and backends differ in what they
// make of it.
var isLiteralChar = charSet(strings.ReplaceAll(pathChars, "*", ""))

// parsePattern returns what is wrong with a pattern, if anything.
func parsePattern(s string) (p pattern, problem string) {
	path, ok := strings.CutPrefix(s, "/")
	switch {
	case !ok:
		return p, "does not start with a slash; accepted: " + acceptedPattern
	case len(s) > maxPatternLen:
		return p, fmt.Sprintf("has %d bytes; accepted: at most %d", len(s), maxPatternLen)
	case path == "":
		return pattern{slash: true}, ""
	}
	path, p.slash = strings.CutSuffix(path, "/")
	texts := strings.Split(path, "/")
	for i, text := range texts {
		if text == "*" {
			if i < len(texts)-1 || p.slash {
				return p, "has a * that is not at the end; accepted there: {name}, for one segment"
			}
			p.rest = true
			break
		}
		seg, problem := parseSegment(text)
		if problem != "" {
			return p, problem
		}
		if seg.param && slices.Contains(p.segments, seg) {
			return p, "has {" + seg.text + "} twice; accepted: each name once"
		}
		p.segments = append(p.segments, seg)
	}
	return p, ""
}

func parseSegment(text string) (segment, string) {
	switch {
	case text == "":
		return segment{}, "has an empty segment (//), which no request may have"
	case isDotSegment(text):
		return segment{}, "has a . or .. segment, which no request may have"
	case len(text) > maxLiteralLen:
		return segment{}, fmt.Sprintf("has a segment of %d bytes; accepted: at most %d", len(text), maxLiteralLen)
	}
	if name, ok := strings.CutPrefix(text, "{"); ok {
		name, ok = strings.CutSuffix(name, "}")
		switch {
		case !ok || !isParamName(name):
			return segment{}, "has the segment " + quote(text) + "; accepted: {name} as a whole segment, of letters, digits, - and _, starting with a letter"
		case isPlaceholder(name):
			return segment{}, "has the placeholder " + quote(text) + ", which is not expanded here and would be any segment; accepted: {name} without dots, for any one segment"
		}
		return segment{text: name, param: true}, ""
	}
	for i := range len(text) {
		switch c := text[i]; {
		case isLiteralChar[c]:
		case c == '{', c == '}', c == '*':
			return segment{}, "has the segment " + quote(text) + "; accepted: {name} or a final * only as a whole segment"
		case c == '%':
			return segment{}, "has a percent sign, but patterns are not percent-encoded; accepted in a segment: " + literalChars + ", or {name} for any one segment"
		default:
			return segment{}, "has the segment " + quote(text) + "; accepted in a segment: " + literalChars + ", or {name} for any one segment"
		}
	}
	return segment{text: text}, ""
}

func isParamName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := isLower(c | 0x20)
		if !letter && (i == 0 || !isDigit(c) && c != '-' && c != '.' && c != '_') {
			return false
		}
	}
	return s != ""
}

// isPlaceholder tells {env.DIR} from a name: as one it would open every segment
// where one was meant. What begins with http. is a name: Caddyfiles turn
// {file}, {path} and their like into {http.request.uri.path.file} before
// anybody sees them.
func isPlaceholder(name string) bool {
	return strings.Contains(name, ".") && !strings.HasPrefix(name, "http.")
}
