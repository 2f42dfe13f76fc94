package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// route is one that the backend has to serve, in the way the gateway writes it.
type route struct {
	Name, Method, Pattern string
}

// maxRest is how many segments a * stands for at most, where a framework has no
// such thing beside literals.
const maxRest = 3

// shape is a method and a path that a framework can route, where each segment is
// a literal or one parameter, and the routes that it may be for, the more
// specific ones first. Which one it is, the handler asks the parameters.
type shape struct {
	method   string
	segments []string // "" is a parameter
	slash    bool     // at the end
	routes   []shaped
}

type shaped struct {
	name   string
	params []*regexp.Regexp // of the parameters, in order
}

// shapes breaks routes down to what every framework has. Each of the segments of
// a * is a parameter.
func shapes(routes []route) (all []*shape) {
	byPath := make(map[string]*shape)
	for _, r := range routes {
		bare, slash := strings.CutSuffix(r.Pattern, "/")
		segments := strings.Split(bare, "/")[1:]
		least, most := len(segments), len(segments)
		if segments[len(segments)-1] == "*" {
			most += maxRest - 1
			for range maxRest - 1 {
				segments = append(segments, "*")
			}
		}
		for n := least; n <= most; n++ {
			s := &shape{method: r.Method, segments: make([]string, n), slash: slash}
			route := shaped{name: r.Name}
			for i, text := range segments[:n] {
				if text == "*" || strings.Contains(text, "{") {
					route.params = append(route.params, paramRegexp(text))
				} else {
					s.segments[i] = text
				}
			}
			key := s.method + s.path(":", "")
			if byPath[key] == nil {
				byPath[key] = s
				all = append(all, s)
			}
			byPath[key].routes = append(byPath[key].routes, route)
		}
	}
	return all
}

var aName = regexp.MustCompile(`\{\w+\}`)

// paramRegexp is what a segment with a name has to be.
func paramRegexp(segment string) *regexp.Regexp {
	texts := aName.Split(segment, -1)
	for i, text := range texts {
		texts[i] = regexp.QuoteMeta(text)
	}
	if segment == "*" {
		texts = []string{"", ""}
	}
	return regexp.MustCompile("(?s)^" + strings.Join(texts, ".+") + "$")
}

// path writes the shape with parameters called p0, p1 and so on, and what marks
// them before and after each.
func (s *shape) path(before, after string) string {
	var b strings.Builder
	for i, text := range s.segments {
		if text == "" {
			text = fmt.Sprintf("%sp%d%s", before, i, after)
		}
		b.WriteString("/" + text)
	}
	switch {
	case s.slash && after != "":
		b.WriteString("/{$}") // a slash would be all paths below to net/http
	case s.slash:
		b.WriteString("/")
	}
	return b.String()
}

// nameFirst reports whether a parameter comes before a literal.
func (s *shape) nameFirst() bool {
	i := slices.Index(s.segments, "")
	return i >= 0 && slices.ContainsFunc(s.segments[i:], func(text string) bool { return text != "" })
}

// served is the name of the route that a request is for, by the parameters that
// the framework found; "" if none is.
func (s *shape) served(param func(name string) string) string {
	for _, r := range s.routes {
		n, ok := 0, true
		for i, text := range s.segments {
			if text == "" {
				ok = ok && r.params[n].MatchString(param(fmt.Sprintf("p%d", i)))
				n++
			}
		}
		if ok {
			return r.name
		}
	}
	return ""
}
