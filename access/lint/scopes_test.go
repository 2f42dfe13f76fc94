package lint

import (
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func declaring(d *openapi.Document, scopes ...string) *openapi.Document {
	for i, s := range scopes {
		d.Declared = append(d.Declared, declared(s, "api.yaml:"+string(rune('5'+i))))
	}
	return d
}

func TestUnusedScopes(t *testing.T) {
	const isDeclared = " is declared, and no route needs it; name it where it is needed, or remove it"
	check(t, []Code{UnusedScope}, map[string]lintTest{
		"not declared":               one(gateway(written("GET /a posts:read"))),
		"no scope at all":            one(gateway(written("GET /a public"))),
		"declared":                   one(gateway(nil, declaring(document("GET /a x:y"), "x:y", "x:z")), "api.yaml:6: x:z"+isDeclared),
		"declared by each flow":      one(gateway(nil, declaring(document("GET /a x:y"), "x:z", "x:z")), "api.yaml:5: x:z"+isDeclared),
		"declared, of the catalogue": one(gateway(written("GET /a x:y"), declaring(document(), "feeds:write")), "api.yaml:5: feeds:write"+isDeclared),
		"declared, needed elsewhere": {gateways: []Mapping{gateway(nil, declaring(document("GET /a x:y"), "x:y", "x:z")), gateway(nil, document("GET /a x:z"))}},
		"never reached":              one(gateway(written("GET /a x:y"), declaring(document("GET /a x:z"), "x:z")), "api.yaml:5: x:z"+isDeclared),
		"reached by some":            one(gateway(written("GET /a x:y"), declaring(document("GET /{b} x:z"), "x:z"))),
	})
}

func TestHeldScopes(t *testing.T) {
	none := written("GET /a posts:write", "GET /b x:things")
	held := func(h HeldScope, want ...string) lintTest {
		return lintTest{gateways: []Mapping{gateway(none)}, held: []HeldScope{h}, want: want}
	}
	check(t, []Code{UselessKeyScope}, map[string]lintTest{
		"opens something":   held(HeldScope{"posts:write", ids, 2}),
		"one key":           held(HeldScope{"feeds:read", ids[:1], 1}, ": feeds:read is held by 1 key and opens nothing: 7Hk2Qp9aX3bC"+update),
		"all named":         held(HeldScope{"feeds:read", ids, 2}, ": feeds:read is held by 2 keys and opens nothing: 7Hk2Qp9aX3bC, 000000000001"+update),
		"more":              held(HeldScope{"feeds:read", ids, 1234}, ": feeds:read is held by 1234 keys and opens nothing: 7Hk2Qp9aX3bC, 000000000001, …"+update),
		"by none":           held(HeldScope{"feeds:read", nil, 0}),
		"misspelt":          held(HeldScope{"posts:wrte", ids[:1], 1}, ": posts:wrte is held by 1 key and opens nothing (did you mean posts:write?): 7Hk2Qp9aX3bC"+update),
		"misspelt, of ours": held(HeldScope{"x:thing", ids[:1], 1}, ": x:thing is held by 1 key and opens nothing (did you mean x:things?): 7Hk2Qp9aX3bC"+update),
		"near the useless":  held(HeldScope{"feeds:rad", ids[:1], 1}, ": feeds:rad is held by 1 key and opens nothing: 7Hk2Qp9aX3bC"+update),
		"by no gateway":     {held: []HeldScope{{"posts:write", ids[:1], 1}}, want: []string{": posts:write is held by 1 key and opens nothing: 7Hk2Qp9aX3bC" + update}},
		"of another gateway": {
			gateways: []Mapping{gateway(none), gateway(nil, document("GET /c feeds:read"))},
			held:     []HeldScope{{"feeds:read", ids, 2}},
		},
		"declared, needed elsewhere": {gateways: []Mapping{gateway(nil, declaring(document("GET /a x:y"), "x:y", "x:z")), gateway(nil, document("GET /a x:z"))}},
		"never reached": {
			gateways: []Mapping{gateway(none, document("GET /a feeds:read"))},
			held:     []HeldScope{{"feeds:read", ids[:1], 1}},
			want:     []string{": feeds:read is held by 1 key and opens nothing: 7Hk2Qp9aX3bC" + update},
		},
	})
}

const update = "; give each the scopes that it is to have: caddy keygate update 7Hk2Qp9aX3bC --scope <scopes>"
