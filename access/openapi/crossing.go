package openapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// maxCrossings bounds the routes that Crossings adds, and maxAlternatives and
// [apikey.MaxScopes] what one of them may need. Above the latter it is denied.
const (
	maxCrossings    = 100_000
	maxAlternatives = 16
)

// Crossings returns routes for the requests that two imported routes have, neither
// of which has all of the other's: GET /users/me/followers is one of
// /users/me/{section} and of /users/{id}/followers. OpenAPI leaves open which it
// is (3.1.1 §4.8.8.2), and backends differ, so such a request needs what both need.
func Crossings(routes []access.Route) (added []access.Route, err error) {
	byMethod := make(map[string][]*access.Route)
	heads := make(map[string]bool) // shapes of routes that are for HEAD
	for i := range routes {
		if r := &routes[i]; r.Imported {
			method := r.Methods[0] // a document gives each route one
			byMethod[method] = append(byMethod[method], r)
			if method == http.MethodHead {
				heads[mapTemplate(r.Pattern, one)] = true
			}
		}
	}
	if len(heads) > 0 { // otherwise each HEAD is of the same route as its GET
		for _, r := range byMethod[http.MethodGet] {
			if !heads[mapTemplate(r.Pattern, one)] {
				byMethod[http.MethodHead] = append(byMethod[http.MethodHead], r)
			}
		}
	}
	var gets []crossPath // of what is added for GET, which HEAD would follow
	for method := range strings.SplitSeq(access.RequestMethods, ", ") {
		x := newCrosser(byMethod[method])
		if method == http.MethodHead && len(heads) > 0 {
			for _, path := range gets {
				x.note(crossing{path, nil, 0})
			}
		}
		for i := 0; i < len(x.waiting); i++ {
			for _, o := range x.root.meeting(x.waiting[i].path, x.waiting[i].class) {
				x.cross(x.waiting[i], o)
				if len(added)+len(x.waiting)-x.given > maxCrossings {
					return nil, fmt.Errorf("the paths of the openapi documents cross each other too often; accepted: at most %d times", maxCrossings)
				}
			}
		}
		for _, c := range x.waiting[x.given:] {
			if r, differ := x.route(method, c.path); differ || c.need == nil {
				added = append(added, *r)
				if method == http.MethodGet {
					gets = append(gets, c.path)
				}
			}
		}
	}
	slices.SortStableFunc(added, func(a, b access.Route) int { return strings.Compare(a.Pattern, b.Pattern) })
	return added, nil
}

// crosser finds what the routes of one method have in common.
type crosser struct {
	root    spot
	known   map[string]bool // keys of paths
	classes map[string]int  // of what routes need, from 1
	waiting []crossing      // the paths of routes, and then what they cross in
	given   int             // how many are those of routes
}

// crossing is a path, and what its requests need; nil if it is not known yet.
// Those of a class need the same.
type crossing struct {
	path  crossPath
	need  *access.Route
	class int
}

func newCrosser(routes []*access.Route) *crosser {
	x := &crosser{known: make(map[string]bool), classes: make(map[string]int)}
	for _, r := range routes {
		path, class := crossPathOf(r.Pattern), x.classOf(r)
		x.note(crossing{path, r, class})
		x.root.add(&placed{r, path, class})
	}
	x.given = len(x.waiting)
	return x
}

func (x *crosser) classOf(r *access.Route) int {
	key := fmt.Sprintf("%s %d %t %q", r.Access, max(r.Cost, 1), r.WebSocket, inOrder(r.Scopes))
	if x.classes[key] == 0 {
		x.classes[key] = len(x.classes) + 1
	}
	return x.classes[key]
}

func (x *crosser) note(c crossing) {
	if key := c.path.key(); !x.known[key] {
		x.known[key] = true
		x.waiting = append(x.waiting, c)
	}
}

// cross notes what a path and that of a route have in common, unless it is one of
// both, or they need the same.
func (x *crosser) cross(c crossing, o *placed) {
	if c.need == nil || c.class == o.class {
		return
	}
	if both, ok := c.path.meet(o.path); ok && !x.known[both.key()] {
		need := needBoth(c.need, o.route)
		x.note(crossing{both, &need, x.classOf(&need)})
	}
}

// route makes the route of a path that is within several, and reports whether
// these need different things.
func (x *crosser) route(method string, path crossPath) (r *access.Route, differ bool) {
	var around []*placed
	for _, o := range x.root.meeting(path, 0) {
		if path.within(o.path) {
			around = append(around, o)
		}
	}
	around = slices.DeleteFunc(slices.Clone(around), func(o *placed) bool {
		return slices.ContainsFunc(around, func(i *placed) bool { return i.path.within(o.path) && !o.path.within(i.path) })
	})
	// The first is the one that the request would be of otherwise.
	slices.SortFunc(around, func(a, b *placed) int {
		return cmp.Or(a.path.compare(b.path), strings.Compare(a.route.Pattern, b.route.Pattern))
	})
	all := *around[0].route
	for _, o := range around[1:] {
		differ = differ || o.class != around[0].class
		all = needBoth(&all, o.route)
	}
	all.Methods, all.Pattern = []string{method}, path.pattern()
	return &all, differ
}

// needBoth returns a route that needs what both need.
func needBoth(a, b *access.Route) access.Route {
	r := *a
	r.Cost, r.WebSocket = max(a.Cost, b.Cost), a.WebSocket && b.WebSocket
	switch {
	case a.Access == access.Denied || b.Access == access.Denied:
		r.Access = access.Denied
	case a.Access == access.Public:
		r.Access, r.Scopes = b.Access, b.Scopes
	case b.Access == access.Public:
	case a.Access == access.Authenticated:
		r.Access, r.Scopes = b.Access, b.Scopes
	case b.Access == access.Authenticated:
	default:
		r.Scopes = bothSets(a.Scopes, b.Scopes)
		if len(r.Scopes) > maxAlternatives || slices.ContainsFunc(r.Scopes, func(set []string) bool { return len(set) > apikey.MaxScopes }) {
			r.Access = access.Denied
		}
	}
	if r.Access == access.Denied {
		r.Scopes, r.Cost, r.WebSocket = nil, 0, false
	}
	return r
}

// bothSets returns each set of a with each of b, without those that another is
// part of.
func bothSets(a, b access.Scopes) (sets access.Scopes) {
	for _, x := range a {
		for _, y := range b {
			sets = append(sets, slices.Compact(slices.Sorted(slices.Values(slices.Concat(x, y)))))
		}
	}
	slices.SortStableFunc(sets, func(x, y []string) int { return len(x) - len(y) })
	var needed access.Scopes
	for _, set := range sets {
		if !slices.ContainsFunc(needed, func(less []string) bool { return isSubset(less, set) }) {
			needed = append(needed, set)
		}
	}
	return needed
}

func isSubset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
