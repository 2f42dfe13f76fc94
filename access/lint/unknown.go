package lint

import (
	"strings"

	"github.com/socialpatra/keygate/access"
)

// checkWritten finds written routes that match no operation.
func (s *site) checkWritten(f *findings) {
	if len(s.Documents) == 0 || len(s.written) == 0 {
		return
	}
	operations := access.NewIndex(routesOf(s.operations, ""))
	var unknown []*access.Route
	for _, r := range s.written {
		if _, known := operations.Over(r); !known {
			unknown = append(unknown, r)
		}
	}
	if len(unknown) == 0 {
		return
	}
	alike, methods := newAlike(s.operations), s.byMethod()
	for _, r := range unknown {
		what, fix := "", "correct the route, or remove it"
		if i := alike.first(r); i >= 0 {
			o := s.operations[i]
			fix = "write it as " + o.Method + " " + o.Path + " (" + o.Source + "): case counts, and so does a slash at the end"
		} else if m := methods.of(r); len(m) > 0 {
			what, fix = ", only with "+strings.Join(m, ", "), "correct the method, or remove the route"
		}
		f.add(UnknownRoute, r.Source, "%s is in no document%s; %s", r, what, fix)
	}
}

// byMethod finds operations of each method.
type byMethod []methodIndex

type methodIndex struct {
	method     string
	operations *access.Index
}

func (s *site) byMethod() (all byMethod) {
	for m := range strings.SplitSeq(access.RequestMethods, ", ") {
		all = append(all, methodIndex{m, access.NewIndex(routesOf(s.operations, m))})
	}
	return all
}

// of returns the methods of the operations that have requests for the pattern of
// a route.
func (b byMethod) of(r *access.Route) (methods []string) {
	probe := *r
	probe.Methods = []string{"*"}
	for _, m := range b {
		if _, ok := m.operations.Over(&probe); ok {
			methods = append(methods, m.method)
		}
	}
	return methods
}
