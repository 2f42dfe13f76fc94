package lint

import (
	"fmt"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// Ten thousand operations, of which some have a problem, and 300 written
// routes, of which some are in no document.
func BenchmarkCheck(b *testing.B) {
	var operations, routes []string
	for i := range 2500 {
		at := fmt.Sprintf("/v1/resource%d", i)
		operations = append(operations, "GET "+at+" x:read", "POST "+at+" x:write", "GET "+at+"/{id} x:read", "PUT "+at+"/{id}.{format} !unmappable")
		if i < 100 {
			routes = append(routes, "* "+at+"/{x} x:write", "GET "+at+"/me x:me", "PUT "+at+"/ x:write")
		}
	}
	gateways := []Mapping{gateway(written(routes...), []*openapi.Document{document(operations...)}...)}
	b.ReportAllocs()
	for b.Loop() {
		Check(gateways, nil)
	}
}

// Each of the written routes takes requests of each of the imported ones.
func BenchmarkCheckOfMany(b *testing.B) {
	var operations, routes []string
	for i := range 20_000 {
		operations = append(operations, fmt.Sprintf("GET /v1/{a}/x%d x:read", i))
	}
	for i := range 5000 {
		routes = append(routes, fmt.Sprintf("GET /v1/y%d/{b} x:read", i))
	}
	gateways := []Mapping{gateway(written(routes...), document(operations...))}
	b.ReportAllocs()
	for b.Loop() {
		Check(gateways, nil)
	}
}
