package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// taking is what written routes take of an operation.
type taking struct {
	operation *openapi.Operation
	access.Overlap
}

// takings returns what written routes take of each operation, in the order of
// operations. It leaves out operations without a route, which no request can reach,
// but not denied ones.
//
// A written route that has exactly the requests of one operation takes part of no
// other operation: those requests were never the other's.
func takings(written []*access.Route, operations []*openapi.Operation) (all []taking) {
	if len(written) == 0 {
		return nil
	}
	rest, of := withoutOwn(written, operations)
	x, y := access.NewIndex(written), access.NewIndex(rest)
	for _, o := range operations {
		if o.Route == nil {
			continue
		}
		overlap, ok := x.Over(o.Route)
		if ok && !overlap.Whole {
			if overlap, ok = y.Over(o.Route); ok {
				overlap.Written, overlap.Unlike = of[overlap.Written], of[overlap.Unlike]
			}
		}
		if ok {
			all = append(all, taking{o, overlap})
		}
	}
	return all
}

// withoutOwn returns copies of written routes without the methods for which an
// operation has the same requests, and of which route each is.
func withoutOwn(written []*access.Route, operations []*openapi.Operation) (rest []*access.Route, of map[*access.Route]*access.Route) {
	shapes := make(map[alikeKey]bool)
	for _, o := range operations {
		if o.Route != nil {
			shapes[alikeKey{o.Method, shapeOf(o.Route.Pattern)}] = true
		}
	}
	of = make(map[*access.Route]*access.Route, len(written))
	for _, r := range written {
		shape, methods := shapeOf(r.Pattern), r.Methods
		if methods[0] == "*" {
			methods = strings.Split(access.RequestMethods, ", ")
		}
		methods = slices.DeleteFunc(slices.Clone(methods), func(m string) bool { return shapes[alikeKey{m, shape}] })
		if len(methods) > 0 {
			left := *r
			left.Methods = methods
			rest, of[&left] = append(rest, &left), r
		}
	}
	return rest, of
}

// routesOf returns the routes of operations that have one, of all methods with
// "", or of one.
func routesOf(operations []*openapi.Operation, method string) (routes []*access.Route) {
	for _, o := range operations {
		if o.Route != nil && (method == "" || o.Method == method) {
			routes = append(routes, o.Route)
		}
	}
	return routes
}

// alikeKey tells routes from others but for case and a slash at the end, and the
// names of parameters.
type alikeKey struct{ method, pattern string }

// alike has the first of the operations for each key.
type alike map[alikeKey]int

func newAlike(operations []*openapi.Operation) alike {
	a := make(alike)
	for i, o := range operations {
		if o.Route == nil {
			continue
		}
		for _, key := range alikeKeys([]string{o.Method}, o.Route.Pattern) {
			if _, known := a[key]; !known {
				a[key] = i
			}
		}
	}
	return a
}

// first returns the place of the first operation that is like a route, or -1.
func (a alike) first(r *access.Route) int {
	first := -1
	for _, key := range alikeKeys(r.Methods, r.Pattern) {
		if i, known := a[key]; known && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

// alikeKeys returns a key for each method of requests. There is none for the
// root, which is like no other.
func alikeKeys(methods []string, pattern string) (keys []alikeKey) {
	loose := loosePattern(pattern)
	if loose == "" {
		return nil
	}
	for _, m := range methods {
		switch m {
		case "*":
			for m := range strings.SplitSeq(access.RequestMethods, ", ") {
				keys = append(keys, alikeKey{m, loose})
			}
		case "GET":
			keys = append(keys, alikeKey{"HEAD", loose}, alikeKey{m, loose})
		default:
			keys = append(keys, alikeKey{m, loose})
		}
	}
	return keys
}

// loosePattern returns the same for all patterns that differ in case, in a slash
// at the end or in the names of parameters.
func loosePattern(s string) string { return strings.TrimSuffix(strings.ToLower(shapeOf(s)), "/") }

// shapeOf returns the same for all patterns that differ in the names of parameters
// alone.
func shapeOf(s string) string {
	var b strings.Builder
	for n := 0; ; n++ {
		before, rest, found := strings.Cut(s, "{")
		_, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			b.WriteString(s)
			return b.String()
		}
		fmt.Fprintf(&b, "%s{p%d}", before, n)
		s = after
	}
}
