package lint

import (
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// checkWritten finds written routes that match no operation.
func (s *site) checkWritten(f *findings) {
	if len(s.Documents) == 0 {
		return
	}
	known := make(map[*access.Route]bool)
	for _, t := range s.takings {
		known[t.written] = true
	}
	unknown := slices.DeleteFunc(slices.Clone(s.written), func(r *access.Route) bool { return known[r] })
	alike, methods := s.alike(unknown), s.otherMethods(unknown)
	for _, r := range unknown {
		what, fix := "", "correct the route, or remove it"
		if o := alike[r]; o != nil {
			fix = "write it as " + o.Method + " " + o.Path + " (" + o.Source + "): case counts, and so does a slash at the end"
		} else if m := methods[r]; len(m) > 0 {
			what, fix = ", only with "+strings.Join(m, ", "), "correct the method, or remove the route"
		}
		f.add(UnknownRoute, r.Source, "%s is in no document%s; %s", r, what, fix)
	}
}

// alike returns for routes the first operation that differs from each only in
// case or in a slash at the end.
func (s *site) alike(unknown []*access.Route) map[*access.Route]*openapi.Operation {
	loose := view{loose: true}
	alike := make(map[*access.Route]*openapi.Operation)
	for _, t := range compare(unknown, s.operations, loose) {
		same := loose.pattern(t.written.Pattern) == loose.pattern(spelt(t.operation))
		if same && alike[t.written] == nil {
			alike[t.written] = t.operation
		}
	}
	return alike
}

// otherMethods returns for routes the methods of the operations that differ
// from each only in that.
func (s *site) otherMethods(unknown []*access.Route) map[*access.Route][]string {
	methods := make(map[*access.Route][]string)
	for _, t := range compare(unknown, s.operations, view{anyMethod: true}) {
		if m := t.operation.Method; !slices.Contains(methods[t.written], m) {
			methods[t.written] = append(methods[t.written], m)
		}
	}
	return methods
}
