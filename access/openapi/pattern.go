package openapi

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// toPattern makes the pattern of a route from the path template of an operation (OpenAPI 3.1.1
// §4.8.8). What else a pattern cannot have is left to [access.Route.Check].
func toPattern(method, path string) (string, *Problem) {
	requested, after := cutQuery(path)
	if after != "" {
		return "", &Problem{Unmappable, fmt.Sprintf("what clients send is %s, as what follows is %s; write the path as %s, with what the strictest of its operations needs", apikey.Quote(method+" "+requested), after, apikey.Quote(requested))}
	}
	if problem := access.CheckPath(example(mapTemplate(path, one))); problem != "" {
		return "", &Problem{Ambiguous, "every request with such a path is refused: " + strings.TrimSuffix(problem, ".") + "; serve it at another path"}
	}
	names := make(map[string]bool)
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = mapTemplate(s, func(name string) string { return "{" + unique(names, name, i) + "}" })
	}
	return strings.Join(segments, "/"), nil
}

// cutQuery returns what clients request for a path that has a query or a
// fragment in it, and what that is; "" where it has none.
func cutQuery(path string) (requested, after string) {
	inName := false
	for i := range len(path) {
		switch c := path[i]; {
		case c == '{' && strings.Contains(path[i:], "}"):
			inName = true
		case c == '}':
			inName = false
		case c == '?' && !inName:
			return path[:i], "a query, which no route looks at"
		case c == '#' && !inName:
			return path[:i], "a fragment, which clients do not send"
		}
	}
	return path, ""
}

// aName stands for a parameter while a path template is taken apart.
const aName = "\x00"

func one(string) string { return aName }

// deniedPattern makes a pattern that has every request for a path template. It
// is "" where no request can have such a path.
func deniedPattern(path string) string {
	path, _ = cutQuery(path)
	path = mapTemplate(path, one)
	if access.CheckPath(example(path)) != "" {
		return ""
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		switch {
		case i == len(segments)-1 && s == "*":
		case s != "":
			segments[i] = deniedSegment(s, i)
		}
	}
	return strings.Join(segments, "/")
}

// deniedSegment returns the segment as requests have it, or a name for any one
// segment where it is too long. A star and several parameters in a row are one
// name.
func deniedSegment(s string, place int) string {
	s = strings.ReplaceAll(encoded(s), "*", aName)
	var b strings.Builder
	for i := range len(s) {
		switch {
		case s[i:i+1] != aName:
			b.WriteByte(s[i])
		case i == 0 || s[i-1:i] != aName:
			fmt.Fprintf(&b, "{p%d-%d}", place, i)
		}
	}
	if segment := b.String(); isPattern("/" + segment) {
		return segment
	}
	return fmt.Sprintf("{p%d}", place)
}

func isPattern(pattern string) bool {
	denied := access.Route{Methods: []string{"GET"}, Pattern: pattern, Access: access.Denied, Imported: true}
	return denied.Check() == nil
}

// mapTemplate puts the parameters of a path, or of a segment, into another form.
func mapTemplate(template string, name func(string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		inside, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			b.WriteString(template)
			return b.String()
		}
		b.WriteString(before)
		b.WriteString(name(inside))
		template = after
	}
}

// unique makes a name that a pattern can have and that it has not yet.
func unique(names map[string]bool, name string, number int) string {
	valid := strings.Map(func(c rune) rune {
		if isLetter(c) || '0' <= c && c <= '9' || c == '-' {
			return c
		}
		return '_'
	}, name)
	if valid == "" || !isLetter(rune(valid[0])) {
		valid = "p" + valid
	}
	for names[valid] {
		valid += strconv.Itoa(number)
	}
	names[valid] = true
	return valid
}

func isLetter(c rune) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// example returns the path of a request for a template whose parameters are
// aName: with something for them, and what a client percent-encodes in that form.
// What makes a path ambiguous is as it was.
func example(path string) string { return encoded(strings.ReplaceAll(path, aName, "x")) }

// encoded percent-encodes what clients do in a path.
func encoded(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == aName[0]:
			b.WriteByte(c)
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>^`+"`{|}", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
