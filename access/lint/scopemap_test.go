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
		{MergedScopes, "api.yaml", `x:read stands for "a.b", "c d": whoever holds it for one may do what the others are for; give each a scope of its own by scope_map`},
		{UnusedScopeMap, "api.yaml", `scope_map "Admin\n" is for no operation; remove it, or mend its spelling`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q\nwant %q", got, want)
	}
}
