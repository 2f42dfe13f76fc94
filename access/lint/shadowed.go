package lint

import (
	"fmt"
	"slices"

	"github.com/socialpatra/keygate/access"
)

// checkShadowed finds imported routes that written ones take requests from.
func (s *site) checkShadowed(f *findings) {
	for _, t := range s.takings {
		if t.operation.Problem != nil || !t.whole && s.has(t.operation.Method, t.written) {
			continue
		}
		r := t.operation.Route
		what := "loses some requests"
		if t.whole {
			what = "is never reached: it loses all requests"
		}
		is, takes := needsOf(r), needsOf(t.written)
		need := "which needs the same: " + takes
		if !needSame(r, t.written) {
			need = "which needs " + takes + " where the document has " + is
		}
		f.add(Shadowed, r.Source, "%s %s to the route %s%s, %s; if that is not meant, remove the route or make it narrower", r, what, t.written, inSource(t.written), need)
	}
}

// has reports whether an operation has the very requests of a written route with
// its method. No other operation had any of them then, of which the route could
// take some.
func (s *site) has(method string, r *access.Route) bool {
	if s.shapes == nil {
		s.shapes = make(map[string]bool)
		for _, o := range s.operations {
			s.shapes[o.Method+" "+view{}.pattern(spelt(o))] = true
		}
	}
	if !slices.Contains(r.Methods, method) && !slices.Contains(r.Methods, "*") {
		return false
	}
	return s.shapes[method+" "+view{}.pattern(r.Pattern)]
}

func inSource(r *access.Route) string {
	if r.Source == "" {
		return ""
	}
	return " (" + r.Source + ")"
}

// needSame reports whether two routes let the same requests in and charge the
// same for them.
func needSame(a, b *access.Route) bool {
	return a.Access == b.Access && a.WebSocket == b.WebSocket && max(a.Cost, 1) == max(b.Cost, 1) &&
		slices.EqualFunc(sortedSets(a.Scopes), sortedSets(b.Scopes), slices.Equal)
}

// sortedSets returns the sets in an order that depends on what is in them only.
func sortedSets(scopes access.Scopes) [][]string {
	sets := make([][]string, len(scopes))
	for i, set := range scopes {
		sets[i] = slices.Sorted(slices.Values(set))
	}
	slices.SortFunc(sets, slices.Compare)
	return sets
}

// needsOf says what a route needs: "posts:write media:upload, cost 5".
func needsOf(r *access.Route) string {
	var needs string
	switch r.Access {
	case access.Public:
		needs = "no key"
	case access.Authenticated:
		needs = "any valid key"
	case access.Denied:
		needs = "what nobody has"
	default:
		needs = r.Scopes.String()
	}
	if r.Cost > 1 {
		needs += fmt.Sprintf(", cost %d", r.Cost)
	}
	if r.WebSocket {
		needs += ", websocket"
	}
	return needs
}
