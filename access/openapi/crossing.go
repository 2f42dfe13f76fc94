package openapi

import (
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
	gets := make(map[string]bool) // what routes are added for with GET, which HEAD follows
	for _, method := range strings.Split(access.RequestMethods, ", ") {
		x := newCrosser(byMethod[method])
		for i := 0; i < len(x.waiting); i++ {
			for _, o := range x.root.meeting(x.waiting[i]) {
				x.cross(x.waiting[i], o.path)
				if len(added)+len(x.waiting)-len(x.paths) > maxCrossings {
					return nil, fmt.Errorf("the paths of the openapi documents cross each other too often; accepted: at most %d times", maxCrossings)
				}
			}
		}
		for _, r := range x.routes(method, gets) {
			added = append(added, *r)
			if method == http.MethodGet {
				gets[mapTemplate(r.Pattern, one)] = true
			}
		}
	}
	return added, nil
}

// crosser finds what the routes of one method have in common.
type crosser struct {
	root    spot
	paths   []crossPath // of the routes
	known   map[string]bool
	waiting []crossPath // paths, and what they cross in
}

func newCrosser(routes []*access.Route) *crosser {
	x := &crosser{known: make(map[string]bool)}
	for _, r := range routes {
		path := crossPathOf(r.Pattern)
		if !x.known[path.key()] {
			x.known[path.key()] = true
			x.paths = append(x.paths, path)
		}
		x.root.add(&placed{r, path})
	}
	x.waiting = slices.Clone(x.paths)
	return x
}

// cross notes the path that has the requests of both, unless it is one of theirs.
func (x *crosser) cross(p, q crossPath) {
	both, ok := p.meet(q)
	if key := both.key(); ok && !x.known[key] {
		x.known[key] = true
		x.waiting = append(x.waiting, both)
	}
}

// routes returns those of what paths cross in. Where all of several routes need
// the same none is added, unless one that is would have the requests: a wider one,
// or for HEAD that of GET.
func (x *crosser) routes(method string, gets map[string]bool) (added []*access.Route) {
	var wider spot
	crossings := x.waiting[len(x.paths):]
	made := make([]*access.Route, len(crossings))
	differ := make([]bool, len(crossings))
	for i, path := range crossings {
		if made[i], differ[i] = x.route(method, path); differ[i] {
			wider.add(&placed{made[i], path})
		}
	}
	for i, path := range crossings {
		isWithin := func(o *placed) bool { return path.within(o.path) }
		if differ[i] || method == http.MethodHead && gets[path.key()] || slices.ContainsFunc(wider.meeting(path), isWithin) {
			added = append(added, made[i])
		}
	}
	return added
}

// route makes the route of a path that is within several, and reports whether
// these need different things.
func (x *crosser) route(method string, path crossPath) (r *access.Route, differ bool) {
	var around []*placed
	for _, o := range x.root.meeting(path) {
		if path.within(o.path) {
			around = append(around, o)
		}
	}
	around = slices.DeleteFunc(slices.Clone(around), func(o *placed) bool {
		return slices.ContainsFunc(around, func(i *placed) bool { return i.path.within(o.path) && !o.path.within(i.path) })
	})
	// The first is the one that the request would be of otherwise.
	slices.SortStableFunc(around, func(a, b *placed) int { return a.path.compare(b.path) })
	all := *around[0].route
	for _, o := range around[1:] {
		differ = differ || !needTheSame(&all, o.route)
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
