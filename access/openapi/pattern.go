package openapi

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// toPattern makes the pattern of a route from a path template (OpenAPI 3.1.1
// §4.8.8). What else a pattern cannot have is left to [access.NewTable].
func toPattern(path string) (string, *Problem) {
	segments := strings.Split(path, "/")
	if problem := access.CheckPath(request(segments)); problem != "" {
		return "", &Problem{Ambiguous, "every request with such a path is refused: " + problem}
	}
	names := make(map[string]bool)
	for i, s := range segments {
		if name, ok := parameter(s); ok {
			segments[i] = "{" + unique(names, name, i) + "}"
		} else if hasParameter(s) {
			return "", &Problem{Unmappable, fmt.Sprintf("the segment %s is more than a parameter; write this route in the Caddyfile", apikey.Quote(s))}
		}
	}
	return strings.Join(segments, "/"), nil
}

// parameter returns the name of a segment that is a parameter as a whole.
func parameter(segment string) (string, bool) {
	name, ok := strings.CutPrefix(segment, "{")
	if ok {
		name, ok = strings.CutSuffix(name, "}")
	}
	return name, ok && !strings.ContainsAny(name, "{}")
}

func hasParameter(segment string) bool {
	_, after, _ := strings.Cut(segment, "{")
	return strings.Contains(after, "}")
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

// request returns the path of a request for a template: with something for the
// parameters, and what a client percent-encodes in that form. What makes a path
// ambiguous is as it was.
func request(segments []string) string {
	var b strings.Builder
	for i, s := range segments {
		if i > 0 {
			b.WriteByte('/')
		}
		for {
			before, rest, found := strings.Cut(s, "{")
			_, after, closed := strings.Cut(rest, "}")
			if !found || !closed {
				break
			}
			encode(&b, before)
			b.WriteByte('x')
			s = after
		}
		encode(&b, s)
	}
	return b.String()
}

func encode(b *strings.Builder, literal string) {
	for i := range len(literal) {
		if c := literal[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>?^`+"`{|}", c) >= 0 {
			fmt.Fprintf(b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
}
