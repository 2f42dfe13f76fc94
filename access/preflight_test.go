package access

import "testing"

func TestPreflight(t *testing.T) {
	shop, get := []string{"https://shop.example"}, []string{"GET"}
	for name, test := range map[string]struct {
		method, path     string
		origins, asksFor []string
		off              bool
		preflight        bool
	}{
		"mapped":            {"OPTIONS", "/v1/posts", shop, get, false, true},
		"not mapped":        {"OPTIONS", "/v1/feeds", shop, get, false, true},
		"OPTIONS is mapped": {"OPTIONS", "/v1/me", shop, get, false, true},
		"null":              {"OPTIONS", "/v1/posts", []string{"null"}, get, false, true},
		"two origins":       {"OPTIONS", "/v1/posts", []string{"a", "b"}, get, false, true},
		"strange method":    {"OPTIONS", "/v1/posts", shop, []string{"?"}, false, true},
		"no origin":         {"OPTIONS", "/v1/posts", nil, get, false, false},
		"no method asked":   {"OPTIONS", "/v1/posts", shop, nil, false, false},
		"GET":               {"GET", "/v1/posts", shop, get, false, false},
		"CORS off":          {"OPTIONS", "/v1/posts", shop, get, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPolicy(t, newKeys())
			p.CORS = !test.off
			d := p.Decide(&Request{Method: test.method, Path: test.path, Origins: test.origins, RequestMethod: test.asksFor, Now: now})
			if d.Preflight != test.preflight {
				t.Fatalf("preflight %v; want %v", d.Preflight, test.preflight)
			}
			want := Decision{Reason: Allowed, Preflight: true}
			if test.preflight && d != want {
				t.Errorf("Decide = %+v; want %+v, the same for all", d, want)
			}
			if !test.preflight && d.Reason != MissingKey {
				t.Errorf("Decide = %s; want missing_key", d.Reason)
			}
		})
	}
}
