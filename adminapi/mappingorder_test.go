package adminapi

import (
	"encoding/json"
	"testing"

	"github.com/socialpatra/keygate/access"
)

// Caddy provisions the servers of a config in no order. What is told of two handlers
// with the same route does not depend on it, after any reload.
func TestAPITellsTheSameInEveryOrderOfHandlers(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	mapping := func(source string, scope string, report bool) Mapping {
		table, err := access.NewTable([]access.Route{{Methods: []string{"GET"}, Pattern: "/a", Scopes: access.AllOf(scope), Source: source}})
		if err != nil {
			t.Fatal(err)
		}
		return Mapping{Policy: access.Policy{Brand: "patra", Table: table, Report: report}}
	}
	one, two, three := mapping("Caddyfile:9", "posts:read", false), mapping("Caddyfile:20", "posts:write", true), mapping("Caddyfile:100", "media:upload", false)
	told := make(map[string]bool)
	for _, order := range [][]Mapping{{one, two, three}, {three, two, one}, {two, one, three}, {two, three, one}} {
		s.mappings = order
		body, err := json.Marshal(map[string]string{"key": id, "method": "GET", "path": "/a"})
		if err != nil {
			t.Fatal(err)
		}
		told[s.send("POST /keygate/explain", string(body)).want(t, 200, "posts:read").body+s.send("GET /keygate/routes", "").want(t, 200).body+
			s.send("GET /keygate/health", "").want(t, 200).body] = true
	}
	if len(told) != 1 {
		t.Errorf("%d different answers", len(told))
	}
}
