package command

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/socialpatra/keygate/caddymodule/selfservice"
)

// exampleTable is the route table of a Caddyfile in the root.
func exampleTable(t *testing.T, name string) *access.Table {
	t.Helper()
	gateways, err := readConfig("../"+name, "caddyfile")
	if err != nil || len(gateways) != 1 {
		t.Fatalf("%d gateways, %v", len(gateways), err)
	}
	return gateways[0].Policy.Table
}

// The example that imports a document and the one written by hand decide alike,
// for every method, path and set of scopes: all sets of the scopes that either
// of the routes names, with and without all others.
func TestDocumentDecidesAsWrittenByHand(t *testing.T) {
	byHand, imported := exampleTable(t, "Caddyfile.example"), exampleTable(t, "Caddyfile.openapi.example")
	if r := imported.Routes(); !slices.ContainsFunc(r, func(r access.Route) bool { return r.Imported }) {
		t.Fatal("nothing is imported")
	}
	allowed, decisions := 0, 0
	for _, path := range pathsNear(byHand, imported) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			x, y := byHand.Match(method, path), imported.Match(method, path)
			if (x == nil) != (y == nil) {
				t.Errorf("%s %s is %v by hand and %v in the document", method, path, x, y)
			}
			if x == nil || y == nil {
				decisions++
				continue
			}
			if x.Access != y.Access || x.Cost != y.Cost || x.WebSocket != y.WebSocket {
				t.Errorf("%s %s: %+v by hand and %+v in the document", method, path, x, y)
			}
			for held := range setsOf(append(x.Scopes.Distinct(), y.Scopes.Distinct()...)) {
				decisions++
				if x.Scopes.HeldBy(held) != y.Scopes.HeldBy(held) {
					t.Errorf("%s %s with %s: %v by hand, %v in the document", method, path, held.Joined, x.Scopes, y.Scopes)
				}
				if x.Scopes.HeldBy(held) {
					allowed++
				}
			}
		}
	}
	if allowed == 0 || allowed == decisions {
		t.Errorf("%d of %d are allowed", allowed, decisions)
	}
}

// pathsNear returns, for every pattern, paths that match it and paths that are
// close to that.
func pathsNear(tables ...*access.Table) []string {
	paths := map[string]bool{"/": true}
	for _, table := range tables {
		for _, route := range table.Routes() {
			for _, value := range []string{"7", "posts", "me", "with-media", "*", "%7B"} {
				segments := strings.Split(route.Pattern, "/")
				for i, s := range segments {
					if strings.HasPrefix(s, "{") || s == "*" {
						segments[i] = value
					}
				}
				path := strings.Join(segments, "/")
				parent := path[:strings.LastIndexByte(path, '/')]
				for _, near := range []string{path, path + "/", path + "/7", path + "/7/approve", path + "x", parent, parent + "/x", strings.ToUpper(path), "/v2" + path, strings.TrimPrefix(path, "/v1")} {
					if access.CheckPath(near) == "" {
						paths[near] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// setsOf yields every set of the scopes given, alone and with the whole rest
// of the catalogue.
func setsOf(scopes []string) func(yield func(*apikey.ScopeSet) bool) {
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	var rest []string
	for _, info := range apikey.Catalogue() {
		if !slices.Contains(scopes, info.Scope) {
			rest = append(rest, info.Scope)
		}
	}
	return func(yield func(*apikey.ScopeSet) bool) {
		for bits := range 1 << len(scopes) {
			var held []string
			for i, scope := range scopes {
				if bits&(1<<i) != 0 {
					held = append(held, scope)
				}
			}
			if !yield(apikey.NewScopeSet(held)) || !yield(apikey.NewScopeSet(append(held, rest...))) {
				return
			}
		}
	}
}
