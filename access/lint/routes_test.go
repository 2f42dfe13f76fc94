package lint

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
)

func TestUnknownRoutes(t *testing.T) {
	const (
		correct = "; correct the route, or remove it"
		method  = "; correct the method, or remove the route"
		exact   = ": case counts, and so does a slash at the end"
	)
	check(t, []Code{UnknownRoute}, map[string]lintTest{
		"no documents":     one(gateway(written("GET /a x:y"))),
		"known":            one(gateway(written("GET /a/{b} public", "PUT,GET /a/me x:y", "* /* authenticated"), document("GET /a/{id} x:y"))),
		"unknown":          one(gateway(written("GET /a x:y", "PUT,POST /a/b public"), document("GET /b x:y")), "Caddyfile:1: GET /a is in no document"+correct, "Caddyfile:2: PUT,POST /a/b is in no document"+correct),
		"with a problem":   one(gateway(written("GET /f/{file} x:y", "GET /a x:y"), document("GET /f/{name}.{ext} !unmappable", "GET /a !no_security"))),
		"never a request":  one(gateway(written("GET /* x:y"), document("GET /a//b !ambiguous_path")), "Caddyfile:1: GET /* is in no document"+correct),
		"HEAD of a GET":    one(gateway(written("HEAD /a x:y"), document("GET /a x:y"))),
		"other methods":    one(gateway(written("GET /a/b x:y"), document("PUT /a/{x} x:y", "POST /a/b x:y", "PUT /a/b x:y")), "Caddyfile:1: GET /a/b is in no document, only with PUT, POST"+method),
		"one other method": one(gateway(written("GET /a x:y"), document("PUT /a x:y")), "Caddyfile:1: GET /a is in no document, only with PUT"+method),
		"all other methods": one(gateway(written("GET /a x:y"), document("QUERY /a x:y", "PUT /a x:y", "OPTIONS /a x:y", "POST /a x:y", "DELETE /a x:y", "PATCH /a x:y")),
			"Caddyfile:1: GET /a is in no document, only with QUERY, PUT, OPTIONS, POST, DELETE, PATCH"+method),
		"of very many, the first": one(gateway(written("GET /ABCDEF x:y"), document(spellings("/abcdef")...)), "Caddyfile:1: GET /ABCDEF is in no document; write it as GET /aBCDEF (api.yaml:1)"+exact),
		"of many, the first":      one(gateway(written("GET /A/B/C x:y"), document("GET /a/B/C x:y", "GET /A/b/C x:y", "GET /A/B/c x:y", "GET /a/b/C x:y", "GET /a/b/c x:y", "GET /A/B/C/ x:y")), "Caddyfile:1: GET /A/B/C is in no document; write it as GET /a/B/C (api.yaml:1)"+exact),
		"a brace left open":       one(gateway(written("GET /{a} x:y", "GET /b{c} x:y"), document("GET /b{c; !ambiguous_path")), "Caddyfile:1: GET /{a} is in no document"+correct, "Caddyfile:2: GET /b{c} is in no document"+correct),
		"another case":            one(gateway(written("GET /A/{X}/b x:y"), document("GET /a/{x}/B x:y")), "Caddyfile:1: GET /A/{X}/b is in no document; write it as GET /a/{x}/B (api.yaml:1)"+exact),
		"a slash":                 one(gateway(written("GET /a/ x:y"), document("GET /a x:y")), "Caddyfile:1: GET /a/ is in no document; write it as GET /a (api.yaml:1)"+exact),
		"no slash":                one(gateway(written("GET /a x:y"), document("GET /a/ x:y")), "Caddyfile:1: GET /a is in no document; write it as GET /a/ (api.yaml:1)"+exact),
		"two of the same":         one(gateway(written("GET /A x:y", "GET,PUT /A/ x:y"), document("GET /a x:y")), "Caddyfile:1: GET /A is in no document; write it as GET /a (api.yaml:1)"+exact, "Caddyfile:2: GET,PUT /A/ is in no document; write it as GET /a (api.yaml:1)"+exact),
		"two ways to write it":    one(gateway(written("GET /A/ x:y"), document("PUT /a x:y", "GET /a/ x:y", "GET /a x:y")), "Caddyfile:1: GET /A/ is in no document; write it as GET /a/ (api.yaml:2)"+exact),
		"case and method":         one(gateway(written("GET /A x:y"), document("PUT /a x:y")), "Caddyfile:1: GET /A is in no document"+correct),
		"more than case":          one(gateway(written("GET /A/b x:y"), document("GET /a/{x} x:y")), "Caddyfile:1: GET /A/b is in no document"+correct),
		"the root is no slash":    one(gateway(written("GET / x:y"), document("GET /a x:y")), "Caddyfile:1: GET / is in no document"+correct),
		"of another gateway":      {gateways: []Mapping{gateway(written("GET /a x:y"), document("GET /b x:y")), gateway(nil, document("GET /a x:y"))}, want: []string{"Caddyfile:1: GET /a is in no document" + correct}},
		"of the second of two":    one(gateway(written("GET /a x:y"), document("GET /b x:y"), document("GET /a x:y"))),
		"an empty document too":   one(gateway(written("GET /a x:y"), document()), "Caddyfile:1: GET /a is in no document"+correct),
	})
}

// spellings returns operations for a path of letters in all cases but capitals.
func spellings(path string) (lines []string) {
	letters := path[1:]
	for n := 1; n < 1<<len(letters); n++ {
		text := []byte(strings.ToUpper(path))
		for i := range letters {
			if n>>i&1 == 1 {
				text[i+1] |= 0x20
			}
		}
		lines = append(lines, "GET "+string(text)+" x:y")
	}
	return lines
}

func TestShadowed(t *testing.T) {
	const meant = "; if that is not meant, remove the route or make it narrower"
	change := func(g Mapping, cost int, websocket bool) Mapping {
		g.Routes[0].Cost, g.Routes[0].WebSocket = cost, websocket
		return g
	}
	noSource := gateway(written("GET /a x:y"), document("GET /a x:y"))
	noSource.Routes[0].Source = ""
	deny := gateway(written("GET /a x:y"), document("GET /a x:y"))
	deny.Routes[0].Access, deny.Routes[0].Scopes = access.Denied, nil
	check(t, []Code{Shadowed}, map[string]lintTest{
		"nothing":         one(gateway(written("GET /a x:y"), document("GET /b x:y", "PUT /a x:y"))),
		"no route":        one(gateway(written("GET /a x:y"), document("GET /a !no_security"))),
		"after a problem": one(gateway(written("* /* x:y"), document("GET /a !no_security", "GET /b x:y")), "api.yaml:2: GET /b is never reached: it loses all requests to the route * /* (Caddyfile:1), which needs the same: x:y"+meant),
		"cost 2":          one(change(gateway(written("GET /a x:y"), document("GET /a x:y")), 2, false), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs x:y, cost 2 where the document has x:y"+meant),
		"the same":        one(gateway(written("GET,PUT /{a} x:y"), document("GET /a x:y")), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET,PUT /{a} (Caddyfile:1), which needs the same: x:y"+meant),
		"some, the same":  one(gateway(written("GET /me authenticated"), document("GET /{id} authenticated")), "api.yaml:1: GET /{id} loses some requests to the route GET /me (Caddyfile:1), which needs the same: any valid key"+meant),
		"access":          one(gateway(written("GET /me public"), document("GET /me x:y")), "api.yaml:1: GET /me is never reached: it loses all requests to the route GET /me (Caddyfile:1), which needs no key where the document has x:y"+meant),
		"any key, none":   one(gateway(written("GET /me public"), document("GET /me authenticated")), "api.yaml:1: GET /me is never reached: it loses all requests to the route GET /me (Caddyfile:1), which needs no key where the document has any valid key"+meant),
		"alternatives":    one(gateway(written("GET /a b:x | c:x a:x"), document("GET /a a:x c:x | b:x")), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs the same: b:x | c:x a:x"+meant),
		"all of, any of":  one(gateway(written("GET /a a:x b:x"), document("GET /a a:x | b:x")), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs a:x b:x where the document has a:x | b:x"+meant),
		"cost":            one(change(gateway(written("GET /a x:y"), document("GET /a x:y")), 5, false), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs x:y, cost 5 where the document has x:y"+meant),
		"cost 1 is 0":     one(change(gateway(written("GET /a x:y"), document("GET /a x:y")), 1, false), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs the same: x:y"+meant),
		"websocket":       one(change(gateway(written("GET /a x:y"), document("GET /a x:y")), 0, true), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs x:y, websocket where the document has x:y"+meant),
		"denied":          one(deny, "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a (Caddyfile:1), which needs what nobody has where the document has x:y"+meant),
		"no source":       one(noSource, "api.yaml:1: GET /a is never reached: it loses all requests to the route GET /a, which needs the same: x:y"+meant),
		"that of another": one(gateway(written("GET,PUT /a/b x:z"), document("GET /a/{id} x:y", "GET /a/b x:z", "PUT /a/{id} x:y")),
			"api.yaml:2: GET /a/b is never reached: it loses all requests to the route GET,PUT /a/b (Caddyfile:1), which needs the same: x:z"+meant,
			"api.yaml:3: PUT /a/{id} loses some requests to the route GET,PUT /a/b (Caddyfile:1), which needs x:z where the document has x:y"+meant),
		"that of one denied": one(gateway(written("GET /a/{x}.csv x:z"), document("GET /a/{id} x:y", "GET /a/{y}.csv !no_security"))),
		"both methods":       one(gateway(written("GET,HEAD /a x:y"), document("GET /a x:y")), "api.yaml:1: GET /a is never reached: it loses all requests to the route GET,HEAD /a (Caddyfile:1), which needs the same: x:y"+meant),
		"several": one(gateway(written("HEAD /a public", "GET /* x:y"), document("GET /a x:y", "GET /b x:y")),
			"api.yaml:1: GET /a is never reached: it loses all requests to the route GET /* (Caddyfile:2), which needs the same: x:y"+meant,
			"api.yaml:1: GET /a loses some requests to the route HEAD /a (Caddyfile:1), which needs no key where the document has x:y"+meant,
			"api.yaml:2: GET /b is never reached: it loses all requests to the route GET /* (Caddyfile:2), which needs the same: x:y"+meant),
	})
}

func TestReadScopeWrites(t *testing.T) {
	const open = " can write and is open to keys with "
	check(t, []Code{ReadScopeWrites}, map[string]lintTest{
		"reads":          one(gateway(written("GET,HEAD,OPTIONS /a x:read"), document("GET /b x:read"))),
		"writes":         one(gateway(written("POST /a x:write", "* /b x:readonly", "POST /e x:spread", "PUT /c authenticated", "PATCH /d public"))),
		"POST":           one(gateway(written("POST /a x:read")), "Caddyfile:1: POST /a"+open+"x:read alone; name a scope for writing"),
		"each method":    one(gateway(written("GET,PUT /a x:read", "PATCH /b x:read", "DELETE /c x:read", "* /d x:read")), "Caddyfile:1: GET,PUT /a"+open+"x:read alone; name a scope for writing", "Caddyfile:2: PATCH /b"+open+"x:read alone; name a scope for writing", "Caddyfile:3: DELETE /c"+open+"x:read alone; name a scope for writing", "Caddyfile:4: * /d"+open+"x:read alone; name a scope for writing"),
		"with a write":   one(gateway(written("POST /a x:read x:write"))),
		"all are reads":  one(gateway(written("POST /a x:read y:read")), "Caddyfile:1: POST /a"+open+"x:read y:read alone; name a scope for writing"),
		"an alternative": one(gateway(written("POST /a x:write | y:read")), "Caddyfile:1: POST /a"+open+"y:read alone; name a scope for writing"),
		"imported":       one(gateway(nil, document("PUT /a x:read")), "api.yaml:1: PUT /a"+open+"x:read alone; name a scope for writing"),
	})
}
