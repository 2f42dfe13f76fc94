package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
)

// A finding of an operation names the route that decides, and counts the rest.
func TestShadowedOperationsAreNoProduct(t *testing.T) {
	var operations, routes []string
	for i := range 30 {
		operations = append(operations, fmt.Sprintf("GET /{a}/x%d x:read", i))
		routes = append(routes, fmt.Sprintf("GET /y%d/{b} x:read", i))
	}
	found := 0
	for _, f := range Check([]Mapping{gateway(written(routes...), document(operations...))}, nil) {
		if f.Code == Shadowed {
			found++
		}
	}
	if found != len(operations) {
		t.Errorf("%d findings for %d operations", found, len(operations))
	}
}

// A finding is a line that somebody reads, however many scopes a route needs.
func TestFindingsTellOfAFewScopes(t *testing.T) {
	var scopes access.Scopes
	for i := range 16 {
		var set []string
		for j := range 64 {
			set = append(set, fmt.Sprintf("alternative%d:scope%d:read", i, j))
		}
		scopes = append(scopes, set)
	}
	g := gateway(written("POST /{a} x:y"), document("POST /{a} x:y"))
	g.Documents[0].Operations[0].Route.Scopes = scopes
	found := 0
	for _, f := range Check([]Mapping{g}, nil) {
		if f.Code != Shadowed && f.Code != ReadScopeWrites {
			continue
		}
		found++
		if len(f.Problem) > 1000 || !strings.Contains(f.Problem, "alternative0:scope7:read alternative0:scope8") || !strings.Contains(f.Problem, "…") {
			t.Errorf("%s", f.Problem)
		}
	}
	if found != 2 {
		t.Errorf("%d findings", found)
	}
}
