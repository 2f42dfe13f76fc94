package openapi_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// Whatever is mapped, and whatever the default is, an operation with a scope in
// each alternative needs a scope, and one that says what it needs is none of the
// default's. Mappings are unused or not, and never lost.
func FuzzOptions(f *testing.F) {
	f.Add("read.posts", "read.*", "*:read", "a b", "x:y", "posts:read")
	f.Add("https://a.example/x", "https://a.example/x", "a:b", "*", "all:any", "")
	f.Add("*", "*", "a:*", "**", "a:b", "a:b")
	f.Add("", "a", "a:b", "\n", "a:b", "a:b")
	path := filepath.Join(f.TempDir(), "openapi.yaml")
	f.Fuzz(func(t *testing.T, scope, source, target, otherSource, otherTarget, byDefault string) {
		text := schemes + "paths:\n  /a:\n    get: {security: [{bearer: [" + jsonText(t, scope) + "]}, {bearer: ['own:scope', " + jsonText(t, scope) + "]}]}\n    put: {}\n    post: {security: []}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var o openapi.Options
		for _, m := range []openapi.ScopeMapping{mapping(source, target), mapping(otherSource, otherTarget)} {
			if m.Check() == nil && (len(o.ScopeMap) == 0 || o.ScopeMap[0].Source != m.Source) {
				o.ScopeMap = append(o.ScopeMap, m)
			}
		}
		fallback := openapi.Default{Scopes: access.AllOf(byDefault)}
		if fallback.Check() == nil {
			o.Default = &fallback
		}
		d, err := openapi.Read(path, o)
		if err != nil {
			return // of YAML
		}
		get, put, post := &d.Operations[0], &d.Operations[1], &d.Operations[2]
		if get.Problem == nil && get.Route.Access != access.Scoped {
			t.Errorf("GET needs a scope and becomes %s", outcome(get))
		}
		if (put.Problem == nil) != (o.Default != nil) || put.Problem == nil && outcome(put) != "PUT /a "+byDefault {
			t.Errorf("PUT is for the default %v and becomes %s", o.Default, outcome(put))
		}
		if outcome(post) != "POST /a public" {
			t.Errorf("POST is public and becomes %s", outcome(post))
		}
		if used := len(o.ScopeMap) - len(d.UnusedMappings); used < 0 || used > 2 {
			t.Errorf("%d of %d mappings are unused", len(d.UnusedMappings), len(o.ScopeMap))
		}
		if _, err := access.NewTable(d.Routes()); err != nil {
			t.Error(err)
		}
	})
}
