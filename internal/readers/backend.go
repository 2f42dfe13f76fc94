package readers

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Route is what a backend serves. Pattern is as the gateway has it: literals,
// {name}, names with text around them, and * at the end.
type Route struct{ Method, Pattern string }

// Backend is all backends that serve some routes. It is for one goroutine at a
// time.
type Backend struct {
	steps  []step
	routes []compiled
}

// compiled is a route, with the segments of its pattern as they are and in lower
// case.
type compiled struct {
	Route
	segments [2][]*segment
}

// New returns the backends that serve routes.
func New(routes []Route) *Backend {
	b := &Backend{steps: newSteps()}
	own := make(map[string]bool)
	for _, r := range routes {
		c := compiled{Route: r}
		for text := range strings.SplitSeq(r.Pattern[1:], "/") {
			c.segments[0] = append(c.segments[0], compile(text))
			c.segments[1] = append(c.segments[1], compile(strings.ToLower(text)))
			if i := strings.LastIndexByte(text, '.'); i > 0 {
				own[strings.ToLower(text[i:])] = true
			}
		}
		b.routes = append(b.routes, c)
	}
	b.steps = append(b.steps, formatSteps(own)...)
	return b
}

// formatSteps are those of backends that cut a format off before they look for
// a route. One that takes .csv for a format has no routes of its own that end in
// it.
func formatSteps(own map[string]bool) []step {
	cut := func(s string) string {
		i := strings.LastIndexByte(s, '.')
		if i <= 0 || s[i-1] == '.' || own[strings.ToLower(s[i:])] {
			return s
		}
		return s[:i]
	}
	return []step{
		{"a format cut off the end", func(p string) string {
			i := strings.LastIndexByte(p, '/') + 1
			return p[:i] + cut(p[i:])
		}},
		{"a format cut off each segment", segmentwise(cut)},
	}
}

// Candidates are the routes that one reader finds for a path, as indices of
// what [New] was given.
type Candidates struct {
	Routes  []int
	reading int
	lower   int // 1 if case is ignored
	kind    kind
}

// Find returns what readers find for a request, each set of routes once.
func (b *Backend) Find(method, path string) []Candidates {
	var all []Candidates
	seen := make(map[string]bool)
	for i, r := range b.readings(path) {
		for lower, path := range []string{r.path, lowerASCII(r.path)} {
			for kind, routes := range b.find(method, path, lower) {
				if key := fmt.Sprint(routes); len(routes) > 0 && !seen[key] {
					seen[key] = true
					all = append(all, Candidates{routes, i, lower, kind})
				}
			}
		}
	}
	return all
}

// find returns the routes that backends of each kind find for a reading.
func (b *Backend) find(method, path string, lower int) map[kind][]int {
	found := make(map[kind][]int)
	segments := strings.Split(path, "/")
	if segments[0] != "" {
		return nil
	}
	for n := range b.routes {
		c := &b.routes[n]
		if Preference(method, c.Method) == NoPreference {
			continue
		}
		k := matches(c.segments[lower], segments[1:])
		for ; k != 0; k &= k - 1 {
			one := kind(bits.TrailingZeros32(uint32(k)))
			found[one] = append(found[one], n)
		}
	}
	return found
}

// Covers reports whether a path is plainly of a route, as the reader of some
// candidates has read it: with nothing cut off, and any name for a name.
func (b *Backend) Covers(path string, c Candidates, route int) bool {
	read := b.readings(path)[c.reading].path
	if c.lower > 0 {
		read = lowerASCII(read)
	}
	const plain = kinds(1 | 1<<strictCount)
	segments := strings.Split(read, "/")
	return segments[0] == "" && matches(b.routes[route].segments[c.lower], segments[1:])&plain != 0
}

// NoPreference is that for a route of another method.
const NoPreference = 3

// Preference orders the methods of routes for a request: its own is 0.
func Preference(request, route string) int {
	switch {
	case route == request:
		return 0
	case request == "HEAD" && route == "GET":
		return 1
	case route == "*":
		return 2
	default:
		return NoPreference
	}
}

// Steps says what readers do to a path to find routes.
func (b *Backend) Steps(path string, c Candidates) string {
	all := b.readings(path)
	var done []string
	for i := c.reading; all[i].from >= 0; i = all[i].from {
		done = append(done, b.steps[all[i].by].name)
	}
	slices.Reverse(done)
	if c.lower > 0 {
		done = append(done, "case ignored")
	}
	return strings.Join(done, ", ")
}

// Describe says which reader it is that found routes for a path.
func (b *Backend) Describe(path string, c Candidates) string {
	return fmt.Sprintf("%q read as %q (%s; %s)", path, b.readings(path)[c.reading].path, b.Steps(path, c), c.kind)
}
