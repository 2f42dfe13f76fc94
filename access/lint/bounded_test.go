package lint

import (
	"fmt"
	"testing"
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
