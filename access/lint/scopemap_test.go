package lint

import (
	"slices"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func TestScopeMap(t *testing.T) {
	d := document("GET /a x:read")
	d.File = "api.yaml"
	d.UnusedMappings = []openapi.ScopeMapping{{Source: "Admin\n", Scopes: []string{"x:admin"}}}
	d.Merged = []openapi.MergedScope{{Scope: "x:read", Sources: []string{"a.b", "c d"}}}
	got := Check([]Mapping{gateway(nil, d)}, nil)
	want := []Finding{
		{MergedScopes, "api.yaml", `x:read stands for "a.b", "c d": whoever holds it for one may do what the others are for; give each a scope of its own in the scope_map lines of the openapi block`},
		{UnusedScopeMap, "api.yaml", `a scope_map is for no operation; mend its spelling, or remove from the openapi block: scope_map "Admin\n"`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q\nwant %q", got, want)
	}
}
