// Package readers is what backends are known to make of a path before they look
// for its route, alone and combined. It is for tests only: what a gateway
// authorises as one route has to be that route to every reader, or none.
//
// It shares no code with package access, so that neither can be wrong in the
// way the other is.
package readers

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// step is one thing that some backend makes of a path. Steps leave alone what
// they are not about.
type step struct {
	name string
	do   func(path string) string
}

// newSteps returns them in an order without meaning: backends have any of them in
// any order. In full, characters may be more than one in another case, as Java,
// JavaScript, Python and Ruby have them: ß is SS. The case of ASCII itself is
// ignored, or not, where a reading is compared with patterns.
func newSteps() []step {
	fold, upper := cases.Fold(), cases.Upper(language.Und)
	return []step{
		{"decoded", decode},
		{"segments decoded", segmentwise(decodeSegment)},
		{"a plus is a space", replaced("+", " ")},

		{"cut at ?", cutAt("?")},
		{"cut at #", cutAt("#")},
		{"cut at ;", cutAt(";")},
		{"parameters cut off each segment", segmentwise(cutAt(";"))},
		{"cut at NUL", cutAt("\x00")},
		{"a new line cut off", func(p string) string { return strings.TrimSuffix(p, "\n") }},

		{"backslashes are slashes", replaced(`\`, "/")},
		{"slashes merged", func(p string) string { return manySlashes.ReplaceAllString(p, "/") }},
		{"dot segments resolved", resolve},
		{"slashes cut off the end", func(p string) string { return "/" + strings.Trim(p, "/") }},
		{"dots and spaces cut off segments", segmentwise(func(s string) string { return strings.TrimRight(s, " .") })},

		{"lower case", beyondASCII(strings.ToLower)},
		{"upper case", beyondASCII(strings.ToUpper)},
		{"case folded in full", beyondASCII(fold.String)},
		{"upper case in full", beyondASCII(upper.String)},
		{"compatible characters the same", norm.NFKC.String},
	}
}

var manySlashes = regexp.MustCompile(`//+`)

func replaced(old, by string) func(string) string {
	return func(p string) string { return strings.ReplaceAll(p, old, by) }
}

func cutAt(sep string) func(string) string {
	return func(p string) string {
		before, _, _ := strings.Cut(p, sep)
		return before
	}
}

func segmentwise(do func(string) string) func(string) string {
	return func(p string) string {
		segments := strings.Split(p, "/")
		for i, s := range segments {
			segments[i] = do(s)
		}
		return strings.Join(segments, "/")
	}
}

// beyondASCII leaves the characters of ASCII as they are.
func beyondASCII(do func(string) string) func(string) string {
	return func(p string) string {
		var b strings.Builder
		for _, r := range p {
			if r < utf8.RuneSelf {
				b.WriteRune(r)
			} else {
				b.WriteString(do(string(r)))
			}
		}
		return b.String()
	}
}

var anEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// decode leaves a % as it is where no escape follows. Most backends do.
func decode(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	return anEscape.ReplaceAllStringFunc(p, func(e string) string {
		s, _ := url.PathUnescape(e)
		return s
	})
}

// decodeSegment is for backends to which a slash that came encoded separates
// nothing.
func decodeSegment(s string) string { return strings.ReplaceAll(decode(s), "/", "\uffff") }

// resolve leaves slashes as they are where there is nothing to resolve.
func resolve(p string) string {
	if !strings.Contains(p, "/.") {
		return p
	}
	resolved := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && resolved != "/" {
		resolved += "/"
	}
	return resolved
}

func lowerASCII(p string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, p)
}

// reading is what some steps make of a path.
type reading struct {
	path string
	from int // the reading that the last step was done to; -1: the path as it came
	by   int // the step
}

// mostSteps bounds how many peculiarities one backend has.
const mostSteps = 3

// readings returns what up to mostSteps steps in any order make of a path, each
// result once.
func (b *Backend) readings(path string) []reading {
	all := []reading{{path, -1, -1}}
	seen := map[string]bool{path: true}
	start := 0
	for range mostSteps {
		end := len(all)
		for from := start; from < end; from++ {
			for by := range b.steps {
				if read := b.steps[by].do(all[from].path); !seen[read] {
					seen[read] = true
					all = append(all, reading{read, from, by})
				}
			}
		}
		start = end
	}
	return all
}
