package access

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// segment is one segment of a pattern: a literal, or names with literal text
// before, between or after them.
type segment struct {
	text string // the literal, if texts is nil

	// The texts around the names, one more than there are names. The first and
	// the last may be empty: {id} has two empty texts.
	texts []string

	// The characters at which some backend ends a name, and how often they occur
	// in the texts.
	ends      []rune // folded
	endsInAll int
}

func (s *segment) isLiteral() bool { return s.texts == nil }

// isName reports whether the segment is {name} alone, which matches any one
// segment.
func (s *segment) isName() bool { return len(s.texts) == 2 && s.texts[0] == "" && s.texts[1] == "" }

// weight is the length of the literal text around the names, in bytes.
func (s *segment) weight() (n int) {
	for _, text := range s.texts {
		n += len(text)
	}
	return n
}

// compare is negative if s is more specific than o. A literal is the most
// specific. Then come names with more text around them, or with more text in
// front if that is equal. A name alone is the least specific. Two literals
// compare as 0.
func (s *segment) compare(o *segment) int {
	switch {
	case s.isLiteral() || o.isLiteral():
		return cmp.Compare(len(s.texts), len(o.texts))
	default:
		return cmp.Or(cmp.Compare(o.weight(), s.weight()), cmp.Compare(len(o.texts[0]), len(s.texts[0])), slices.CompareFunc(foldedTexts(s.texts), foldedTexts(o.texts), bytes.Compare))
	}
}

// noteEnds collects the characters at which some backend ends a name: a dot,
// because a format may follow; the first character of a text after a name; and
// line ends, which many regular expressions do not count as characters.
func (s *segment) noteEnds() {
	s.ends = []rune{'.', '\u2028', '\u2029'}
	for _, text := range s.texts[1:] {
		if text != "" {
			folded, _ := nextFolded(nil, text)
			r, _ := utf8.DecodeRune(folded)
			s.ends = append(s.ends, r)
		}
	}
	for _, text := range s.texts {
		s.endsInAll += s.countEnds(text)
	}
}

func (s *segment) countEnds(text string) (n int) {
	var buf [maxFoldedRune]byte
	for text != "" {
		folded, size := nextFolded(buf[:0], text)
		for len(folded) > 0 {
			r, size := utf8.DecodeRune(folded)
			if slices.Contains(s.ends, r) {
				n++
			}
			folded = folded[size:]
		}
		text = text[max(size, 1):]
	}
	return n
}

// isPlain reports whether all backends agree that a segment of a path, which
// matches, belongs to this one: no name contains a character that could end it.
func (s *segment) isPlain(text string) bool { return s.countEnds(text) == s.endsInAll }

// matches reports whether a segment of a path matches exactly. If a text between
// names occurs more than once, its first occurrence leaves the most for the next
// name.
func (s *segment) matches(text string) bool {
	if s.isLiteral() {
		return s.text == text
	}
	last := len(s.texts) - 1
	text, ok := strings.CutPrefix(text, s.texts[0])
	for _, between := range s.texts[1:last] {
		if !ok || text == "" {
			return false
		}
		_, text, ok = strings.Cut(text[1:], between)
	}
	return ok && len(text) > len(s.texts[last]) && strings.HasSuffix(text, s.texts[last])
}

// literalRule says which literal texts a segment may have.
type literalRule func(text string) (problem string)

const literalChars = "A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) + , = : @"

// isLiteralChar excludes what requests must percent-encode. URIs that differ in
// percent-encoding are not equivalent (RFC 3986 §2.2), and backends treat them
// differently.
var isLiteralChar = charSet(strings.ReplaceAll(pathChars, "*", ""))

// asWritten is the rule for routes that may let a request pass.
func asWritten(text string) (problem string) {
	for i := range len(text) {
		switch c := text[i]; {
		case isLiteralChar[c]:
		case c == '{', c == '}', c == '*':
			return "; accepted: {name} with or without text around it, or a final * as a whole segment"
		case c == '%':
			return ", and patterns are not percent-encoded; accepted in a segment: " + literalChars + ", or {name}"
		default:
			return "; accepted in a segment: " + literalChars + ", or {name} for any one segment"
		}
	}
	return ""
}

// asRequested is the rule for operations that a document denies. It accepts every
// text that a request may have, percent-encoded as in a request.
func asRequested(text string) (problem string) {
	if CheckPath("/a"+text+"a") != "" {
		return ", which no request may have"
	}
	return ""
}

// parseSegment returns a segment and the names in it, or what is wrong with it.
func parseSegment(text string, literal literalRule) (s segment, names []string, problem string) {
	switch {
	case text == "":
		return s, nil, "has an empty segment (//), which no request may have"
	case isDotSegment(text):
		return s, nil, "has a . or .. segment, which no request may have"
	case isBlank(text):
		return s, nil, "has a segment of nothing but dots or plus signs, which no request may have"
	case len(text) > maxLiteralLen:
		return s, nil, fmt.Sprintf("has a segment of %d bytes; accepted: at most %d", len(text), maxLiteralLen)
	}
	rest := text
	for {
		before, after, found := strings.Cut(rest, "{")
		if problem := literal(before); problem != "" {
			return s, nil, "has the segment " + quote(text) + problem
		}
		if !found {
			if names == nil {
				return segment{text: text}, nil, ""
			}
			s.texts = append(s.texts, before)
			if !s.isName() {
				s.noteEnds()
			}
			return s, names, ""
		}
		name, after, closed := strings.Cut(after, "}")
		switch {
		case !closed || !isParamName(name):
			return s, nil, "has the segment " + quote(text) + "; accepted: {name} of letters, digits, - and _, starting with a letter"
		case isPlaceholder(name):
			return s, nil, "has the placeholder " + quote("{"+name+"}") + ", which is not expanded here and would be any segment; accepted: {name} without dots, for any one segment"
		case names != nil && before == "":
			return s, nil, "has the segment " + quote(text) + ", where nothing tells where one name ends; accepted: text between two names, such as {a}-{b}"
		}
		s.texts, names, rest = append(s.texts, before), append(names, name), after
	}
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

// isPlaceholder tells placeholders such as {env.DIR} from names. Taken as a name,
// a placeholder would match every segment where one fixed segment was meant. A
// text that begins with http. is a name, because Caddyfiles turn {file}, {path}
// and similar names into {http.request.uri.path.file} before Keygate sees them.
func isPlaceholder(name string) bool {
	return strings.Contains(name, ".") && !strings.HasPrefix(name, "http.")
}

// colonName returns what a written segment such as :id was meant to be, or "".
// Express and others write names that way; in Keygate it would be a literal.
func colonName(pattern string) (segment, name string) {
	for text := range strings.SplitSeq(pattern, "/") {
		if name, ok := strings.CutPrefix(text, ":"); ok {
			if !isParamName(name) || isPlaceholder(name) {
				name = "name"
			}
			return text, "{" + name + "}"
		}
	}
	return "", ""
}
