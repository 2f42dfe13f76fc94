package openapi_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// slowlyMapped is what the documentation says of scope_map: a source as it is,
// then the pattern with more text, then the one given first.
func slowlyMapped(mappings []openapi.ScopeMapping, scope string) string {
	best, captured := -1, ""
	for i, m := range mappings {
		before, after, star := strings.Cut(m.Source, "*")
		var text string
		switch {
		case m.Source == scope:
			text = "*"
		case !star || len(scope) <= len(before)+len(after) || !strings.HasPrefix(scope, before) || !strings.HasSuffix(scope, after):
			continue
		default:
			text = scope[len(before) : len(scope)-len(after)]
		}
		exact := func(i int) bool { return mappings[i].Source == scope }
		if best < 0 || exact(i) && !exact(best) || exact(i) == exact(best) && len(m.Source) > len(mappings[best].Source) {
			best, captured = i, text
		}
	}
	if best < 0 {
		return scope
	}
	return strings.Replace(mappings[best].Scopes[0], "*", captured, 1)
}

// Random maps, against a search through all of their lines.
func TestScopeMapAgainstASearch(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	text := func(most int) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = "ab."[r.IntN(3)]
		}
		return string(b)
	}
	for range 300 {
		var o openapi.Options
		seen := make(map[string]bool)
		for i := range r.IntN(30) {
			source := text(4)
			if r.IntN(3) > 0 {
				source = text(3) + "*" + text(3)
			}
			if source == "" || seen[source] {
				continue
			}
			seen[source] = true
			o.ScopeMap = append(o.ScopeMap, openapi.ScopeMapping{Source: source, Scopes: []string{fmt.Sprintf("by:n%d", i)}})
		}
		var b strings.Builder
		var scopes []string
		for i := range 20 {
			scope := text(6)
			if r.IntN(8) == 0 {
				scope = text(2) + "*" + text(2)
			}
			scopes = append(scopes, scope)
			fmt.Fprintf(&b, "  /a%d: {get: {security: [{bearer: [%s]}]}}\n", i, jsonText(t, scope))
		}
		d := mustRead(t, one("openapi: 3.1.0\ncomponents: {securitySchemes: {bearer: {type: http, scheme: bearer}}}\npaths:\n"+b.String()), o)
		unused := make(map[string]bool)
		for _, m := range o.ScopeMap {
			unused[m.Scopes[0]] = true
		}
		for i, scope := range scopes {
			want := slowlyMapped(o.ScopeMap, scope)
			delete(unused, want)
			op := d.Operations[i]
			switch {
			case want == scope && op.Problem == nil, want != scope && (op.Problem != nil || op.Route.Scopes[0][0] != want):
				t.Fatalf("%q becomes %+v, want %q, by %v", scope, op, want, o.ScopeMap)
			}
		}
		for _, m := range d.UnusedMappings {
			if !unused[m.Scopes[0]] {
				t.Fatalf("%v is called unused", m)
			}
		}
		if len(d.UnusedMappings) != len(unused) {
			t.Fatalf("%d are called unused, want %d", len(d.UnusedMappings), len(unused))
		}
	}
}

func BenchmarkReadWithManyScopes(b *testing.B) {
	var o openapi.Options
	var paths []string
	for i := range 10_000 {
		o.ScopeMap = append(o.ScopeMap, openapi.ScopeMapping{Source: fmt.Sprintf("resource%d.*", i), Scopes: []string{fmt.Sprintf("resource%d:*", i)}})
		paths = append(paths, fmt.Sprintf(`"/a%d":{"get":{"security":[{"bearer":["resource%d.read","Resource%d"]}]}}`, i, i, i))
	}
	slices.Reverse(paths)
	path := write(b, map[string]string{"openapi.json": `{"openapi":"3.1.0","components":{"securitySchemes":{"bearer":{"type":"http","scheme":"bearer"}}},"paths":{` + strings.Join(paths, ",") + `}}`})
	for b.Loop() {
		if _, err := openapi.Read(path, o); err != nil {
			b.Fatal(err)
		}
	}
}
