package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// taking is a written route that takes requests of an operation.
type taking struct {
	written   *access.Route
	operation *openapi.Operation
	whole     bool // every request
}

// compare returns what written routes take of operations, in the order of
// operations, then of routes. It goes by the methods and patterns that a view
// makes of theirs. Operations that no request can reach are left out; those
// that have a problem otherwise are not.
func compare(written []*access.Route, operations []*openapi.Operation, v view) []taking {
	if len(written) == 0 {
		return nil
	}
	p := probes{places: make(map[probe][]int)}
	for i, r := range written {
		// One method at a time, as a view may make two routes the same in one of
		// several. No operation is taken by two methods together.
		for _, m := range v.methods(r.Methods) {
			p.add(probe{method: m, pattern: v.pattern(r.Pattern)}, i)
		}
	}
	for i, o := range operations {
		p.add(probe{method: o.Method, pattern: v.pattern(spelt(o)), imported: true}, i)
	}

	whole := make(map[[2]int]bool) // by the places of the operation and the route
	for _, o := range p.overlaps() {
		for _, i := range p.places[probeOf(o.Imported)] {
			for _, w := range p.places[probeOf(o.Written)] {
				whole[[2]int{i, w}] = whole[[2]int{i, w}] || o.Whole
			}
		}
	}
	places := make([][2]int, 0, len(whole))
	for at := range whole {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	all := make([]taking, 0, len(places))
	for _, at := range places {
		all = append(all, taking{written[at[1]], operations[at[0]], whole[at]})
	}
	return all
}

// probe is what routes are compared by.
type probe struct {
	method, pattern string
	imported        bool
}

func probeOf(r *access.Route) probe { return probe{r.Methods[0], r.Pattern, r.Imported} }

// probes is a table of distinct probes, and where each is from.
type probes struct {
	routes []access.Route
	places map[probe][]int
}

// add ignores an operation without a route.
func (p *probes) add(x probe, place int) {
	if _, known := p.places[x]; !known {
		r := access.Route{Methods: []string{x.method}, Pattern: x.pattern, Access: access.Public, Imported: x.imported}
		if x.imported { // of a pattern that only a denied route may have, too
			r.Access = access.Denied
		}
		if r.Check() != nil {
			return
		}
		p.routes = append(p.routes, r)
	}
	p.places[x] = append(p.places[x], place)
}

func (p *probes) overlaps() []access.Overlap {
	table, err := access.NewTable(p.routes)
	if errors.Is(err, access.ErrNoRoutes) {
		return nil // none is written
	}
	if err != nil {
		panic(err) // each is a route, and no two have the same method and pattern
	}
	return table.Overlaps()
}

// spelt returns the pattern of an operation; its path where no request can have
// it.
func spelt(o *openapi.Operation) string {
	if o.Route != nil {
		return o.Route.Pattern
	}
	return o.Path
}

// view says what of methods and patterns is compared.
type view struct {
	anyMethod bool
	loose     bool // case and a slash at the end do not count
}

func (v view) methods(names []string) []string {
	if v.anyMethod {
		return []string{"*"}
	}
	return names
}

// pattern returns the same for all patterns that differ in what does not count,
// which the names of parameters never do.
func (v view) pattern(s string) string {
	var b strings.Builder
	for n := 0; ; n++ {
		before, rest, found := strings.Cut(s, "{")
		_, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			b.WriteString(v.text(s))
			break
		}
		fmt.Fprintf(&b, "%s{p%d}", v.text(before), n)
		s = after
	}
	if v.loose {
		return strings.TrimSuffix(b.String(), "/") // the root, which is like no other, becomes no route
	}
	return b.String()
}

func (v view) text(s string) string {
	if v.loose {
		return strings.ToLower(s)
	}
	return s
}
