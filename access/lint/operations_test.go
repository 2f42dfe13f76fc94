package lint

import (
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func TestOperations(t *testing.T) {
	for kind, code := range map[openapi.Kind]Code{openapi.NoSecurity: NoSecurity, openapi.Ambiguous: AmbiguousPath, openapi.Unmappable: Unmappable} {
		t.Run(string(kind), func(t *testing.T) {
			got := Check([]Mapping{gateway(nil, document("GET /v1/x !"+string(kind)))}, nil)
			if want := (Finding{code, "api.yaml:1", "GET /v1/x: is wrong"}); len(got) != 1 || got[0] != want {
				t.Errorf("findings %v, want %v", got, want)
			}
		})
	}
	check(t, []Code{NoSecurity, AmbiguousPath, Unmappable}, map[string]lintTest{
		"mapped by hand":        one(gateway(written("* /v1/* x:y"), document("GET /v1/a !no_security", "PUT /v1/{a b} !no_security"))),
		"mapped in part":        one(gateway(written("GET /v1/me x:y"), document("GET /v1/{id} !no_security")), "api.yaml:1: GET /v1/{id}: is wrong"),
		"another method":        one(gateway(written("PUT /v1/a x:y"), document("GET /v1/a !no_security")), "api.yaml:1: GET /v1/a: is wrong"),
		"part of a segment":     one(gateway(written("GET /f/{file} x:y"), document("GET /f/{name}.{ext} !unmappable"))),
		"a verb at the end":     one(gateway(written("POST /p/{x} x:y"), document("POST /p/{id}:publish !unmappable", "POST /p/{id}/:publish !unmappable")), "api.yaml:2: POST /p/{id}/:publish: is wrong"),
		"a literal beside it":   one(gateway(written("GET /f/a.b x:y"), document("GET /f/{name}.{ext} !unmappable")), "api.yaml:1: GET /f/{name}.{ext}: is wrong"),
		"percent-encoded":       one(gateway(written("GET /{x} x:y"), document("GET /caf%C3%A9 !unmappable", "GET /café !unmappable"))),
		"encoded slash":         one(gateway(written("GET /* x:y"), document("GET /a%2Fb !ambiguous_path")), "api.yaml:1: GET /a%2Fb: is wrong"),
		"semicolon, dots":       one(gateway(written("GET /* x:y"), document("GET /{a};{b} !ambiguous_path", "GET /../{b} !no_security")), "api.yaml:1: GET /{a};{b}: is wrong", "api.yaml:2: GET /../{b}: is wrong"),
		"empty segment":         one(gateway(written("GET /* x:y"), document("GET /a//b !ambiguous_path")), "api.yaml:1: GET /a//b: is wrong"),
		"a star":                one(gateway(written("GET /a/* x:y"), document("GET /a/b/* !no_security", "GET /* !no_security")), "api.yaml:2: GET /*: is wrong"),
		"a star inside":         one(gateway(written("GET /a/{x}/b x:y"), document("GET /a/*/b !unmappable"))),
		"trace":                 one(gateway(written("* /a x:y"), document("TRACE /a !unmappable")), "api.yaml:1: TRACE /a: is wrong"),
		"in two documents":      one(gateway(written("GET /a x:y"), document("GET /a !no_security"), document("GET /a !no_security"))),
		"by another gateway":    {gateways: []Mapping{gateway(written("GET /a x:y")), gateway(nil, document("GET /a !no_security"))}, want: []string{"api.yaml:1: GET /a: is wrong"}},
		"a route with the same": one(gateway(nil, document("GET /a/{x} x:y", "GET /a/{y} !no_security")), "api.yaml:2: GET /a/{y}: is wrong"),
	})
}

func TestKeyHeader(t *testing.T) {
	keyHeader := func(read, told string) Mapping {
		g := gateway(nil, with(document(), func(d *openapi.Document) { d.KeyHeader, d.SchemeSource = told, "api.yaml:7" }))
		g.Header = read
		return g
	}
	check(t, []Code{KeyHeader}, map[string]lintTest{
		"none":       one(keyHeader("", "")),
		"not needed": one(keyHeader("X-Api-Key", "")),
		"the same":   one(keyHeader("X-Api-Key", "X-Api-Key")),
		"not read":   one(keyHeader("", "X-Api-Key"), "api.yaml:7: clients are told to send their key in X-Api-Key, which is not read; write in keygate: header X-Api-Key"),
		"another":    one(keyHeader("X-Key", "X-Api-Key"), "api.yaml:7: clients are told to send their key in X-Api-Key, but X-Key is read; write in place of that in keygate: header X-Api-Key"),
	})
}
