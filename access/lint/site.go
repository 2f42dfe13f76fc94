package lint

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// site is a mapping and what its written routes take of its documents.
type site struct {
	*Mapping
	written    []*access.Route
	operations []*openapi.Operation // of all documents
	takings    []taking
	covered    map[*openapi.Operation]bool // a written route takes it as a whole
	shapes     map[string]bool             // methods and patterns of operations, see has
}

func newSite(g *Mapping) *site {
	s := &site{Mapping: g, covered: make(map[*openapi.Operation]bool)}
	for i := range g.Routes {
		s.written = append(s.written, &g.Routes[i])
	}
	for _, d := range g.Documents {
		for i := range d.Operations {
			s.operations = append(s.operations, &d.Operations[i])
		}
	}
	s.takings = compare(s.written, s.operations, view{})
	for _, t := range s.takings {
		if t.whole {
			s.covered[t.operation] = true
		}
	}
	return s
}

// routes calls f with the written routes, then the imported ones. reached is
// false for those that are never reached.
func (s *site) routes(f func(r *access.Route, reached bool)) {
	for _, r := range s.written {
		f(r, true)
	}
	for _, o := range s.operations {
		if o.Problem == nil {
			f(o.Route, !s.covered[o])
		}
	}
}
