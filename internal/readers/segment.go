package readers

import (
	"regexp"
	"strings"
)

// kind is a way to compare a path with patterns: what a name may be, where a
// format may stand, and whether a slash at the end counts.
type kind uint8

const (
	formatNone = iota
	formatAtEnd
	formatAnywhere // behind every segment
	formatCount

	nameCount   = 5
	strictCount = formatCount * nameCount
	kindCount   = 2 * strictCount // the second half is for those to whom a slash at the end does not count
)

// names are what a name in a pattern may be, by the text after it.
var names = [nameCount]struct {
	name       string
	expression func(after string) string
}{
	{"any", func(string) string { return "[^/]+" }},
	{"without dots", func(string) string { return "[^/.]+" }},
	{"without line ends", func(string) string { return "[^/\u2028\u2029\r\n]+" }},
	{"or none", func(string) string { return "[^/]*" }},
	{"without what follows", func(after string) string { return "[^/" + regexp.QuoteMeta(after[:min(1, len(after))]) + "]+" }},
}

func (k kind) String() string {
	strict := k % strictCount
	text := "names: " + names[strict%nameCount].name + "; formats: " + []string{"none", "at the end", "anywhere"}[strict/nameCount]
	if k >= strictCount {
		text += "; a slash at the end ignored"
	}
	return text
}

// kinds is a set of kinds.
type kinds uint32

const (
	allNames  kinds = 1<<nameCount - 1
	allStrict kinds = 1<<strictCount - 1
)

// segment is of a pattern: a literal, one or more names, or the rest.
type segment struct {
	literal string
	rest    bool

	// What names match, without a format and with one, and what that was for
	// segments that were asked before.
	plain, format []*regexp.Regexp
	known         map[string][2]kinds
}

var aName = regexp.MustCompile(`\{\w+\}`)

func compile(text string) *segment {
	texts := aName.Split(text, -1)
	switch {
	case text == "*":
		return &segment{rest: true}
	case len(texts) == 1:
		return &segment{literal: text}
	}
	s := &segment{known: make(map[string][2]kinds)}
	for _, name := range names {
		var expression strings.Builder
		expression.WriteString("(?s)^" + regexp.QuoteMeta(texts[0]))
		for _, after := range texts[1:] {
			expression.WriteString(name.expression(after) + regexp.QuoteMeta(after))
		}
		s.plain = append(s.plain, regexp.MustCompile(expression.String()+"$"))
		s.format = append(s.format, regexp.MustCompile(expression.String()+`(\..*)?$`))
	}
	return s
}

// matches returns the kinds, but for slashes, to which a segment of a path is
// this one. last says that it is at the end.
func (s *segment) matches(text string, last bool) kinds {
	plain, format := s.matchesText(text)
	atEnd := plain
	if last {
		atEnd = format
	}
	return plain<<(formatNone*nameCount) | atEnd<<(formatAtEnd*nameCount) | format<<(formatAnywhere*nameCount)
}

// matchesText returns the sorts of names with which a segment is this one,
// without a format and with one.
func (s *segment) matchesText(text string) (plain, format kinds) {
	if s.plain == nil {
		after, ok := strings.CutPrefix(text, s.literal)
		switch {
		case ok && after == "":
			return allNames, allNames
		case ok && s.literal != "" && after[0] == '.':
			return 0, allNames
		}
		return 0, 0
	}
	if known, ok := s.known[text]; ok {
		return known[0], known[1]
	}
	for i := range names {
		if s.plain[i].MatchString(text) {
			plain |= 1 << i
		}
		if s.format[i].MatchString(text) {
			format |= 1 << i
		}
	}
	if len(s.known) > 10_000 {
		clear(s.known)
	}
	s.known[text] = [2]kinds{plain, format}
	return plain, format
}

// matches returns the kinds for which the segments of a path match those of a pattern.
// An empty segment at the end stands for a slash at the end.
func matches(want []*segment, have []string) kinds {
	strict := matchStrictly(want, have)
	loose := strict
	bareWant, bareHave := want, have
	if n := len(want) - 1; n > 0 && want[n].plain == nil && !want[n].rest && want[n].literal == "" {
		bareWant = want[:n]
	}
	if n := len(have) - 1; n > 0 && have[n] == "" {
		bareHave = have[:n]
	}
	if len(bareWant) < len(want) || len(bareHave) < len(have) {
		loose = matchStrictly(bareWant, bareHave)
	}
	return strict | loose<<strictCount
}

func matchStrictly(want []*segment, have []string) kinds {
	k := allStrict
	for i, s := range want {
		if i >= len(have) {
			return 0
		}
		if s.rest {
			if have[i] == "" {
				return 0
			}
			return k
		}
		if k &= s.matches(have[i], i == len(have)-1); k == 0 {
			return 0
		}
	}
	if len(have) > len(want) {
		return 0
	}
	return k
}
