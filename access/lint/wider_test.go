package lint

import (
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func TestWiderRoutes(t *testing.T) {
	serves := func(route, source, needs, line string) string {
		return " is denied, and but for it " + route + " (" + source + ") would serve its requests, with " + needs + "; if it is to stay denied, write in keygate: " + line
	}
	check(t, []Code{WiderRoute}, map[string]lintTest{
		"none":               one(gateway(nil, document("GET /a x:y", "GET /b !no_security"))),
		"nothing else":       one(gateway(nil, document("GET /a !no_security"))),
		"another method":     one(gateway(nil, document("PUT /{id} x:y", "GET /a !no_security"))),
		"a narrower one":     one(gateway(nil, document("GET /a x:y", "GET /{id} !no_security"))),
		"as wide":            one(gateway(nil, document("GET /a/{x} x:y", "GET /{x}/b !no_security"))),
		"a name":             one(gateway(nil, document("GET /{id} x:y", "GET /a !no_security")), "api.yaml:2: GET /a"+serves("GET /{id}", "api.yaml:1", "x:y", "deny GET /a")),
		"a star":             one(gateway(nil, document("GET /* public", "GET /a/{b} !unmappable")), "api.yaml:2: GET /a/{b}"+serves("GET /*", "api.yaml:1", "no key", "deny GET /a/{b}")),
		"a star in a star":   one(gateway(nil, document("GET /* authenticated", "GET /a/* !unmappable")), "api.yaml:2: GET /a/*"+serves("GET /*", "api.yaml:1", "any valid key", "deny GET /a/*")),
		"HEAD":               one(gateway(nil, document("GET /a x:y", "HEAD /a !no_security")), "api.yaml:2: HEAD /a"+serves("GET /a", "api.yaml:1", "x:y", "deny HEAD /a")),
		"another document":   one(gateway(nil, document("GET /{id} x:y"), with(document("GET /a !no_security"), func(d *openapi.Document) { d.Operations[0].Source = "b.yaml:1" })), "b.yaml:1: GET /a"+serves("GET /{id}", "api.yaml:1", "x:y", "deny GET /a")),
		"no route at all":    one(gateway(nil, document("GET /{id} x:y", "TRACE /a !unmappable", "GET /a !no_security")), "api.yaml:3: GET /a"+serves("GET /{id}", "api.yaml:1", "x:y", "deny GET /a")),
		"mapped by hand":     one(gateway(written("GET /a x:y"), document("GET /{id} x:y", "GET /a !no_security"))),
		"a written one":      one(gateway(written("GET /a/{id} x:y"), document("GET /b x:y", "GET /a/{b}.{c} !unmappable"))),
		"never by a request": one(gateway(nil, document("GET /* x:y", "GET /a//b !ambiguous_path"))),
	})
}
