package openapi_test

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// The same path by two servers is said twice, even where it needs the same.
func TestSamePathByTwoServers(t *testing.T) {
	d := mustRead(t, one("openapi: 3.1.0\nsecurity: []\npaths:\n  /v1/a: {get: {}}\n  /a: {servers: [{url: /v1}], get: {}}\n"), openapi.Options{})
	if _, err := access.NewTable(d.Routes()); err == nil {
		t.Error("it is accepted")
	}
}

// Paths that differ in the names of parameters have the same requests.
func TestPathsOfOtherNames(t *testing.T) {
	for name, tt := range map[string]struct {
		other string
		one   bool
	}{
		"the same":          {"security: [{bearer: [a:b]}, {bearer: [c:d]}]", true},
		"in another order":  {"security: [{bearer: [c:d]}, {bearer: [a:b]}]", true},
		"less":              {"security: [{bearer: [a:b]}]", false},
		"public":            {"security: []", false},
		"another cost":      {"security: [{bearer: [a:b]}, {bearer: [c:d]}], x-keygate-cost: 2", false},
		"with a websocket":  {"security: [{bearer: [a:b]}, {bearer: [c:d]}], x-keygate-websocket: true", false},
		"denied, and alike": {"security: [{basic: []}]", true},
	} {
		t.Run(name, func(t *testing.T) {
			files := operationWith("security: []")
			files["openapi.yaml"] += "  /p/{a}/x: {get: {security: [{bearer: [a:b]}, {bearer: [c:d]}]}}\n  /p/{b}/x: {get: {" + tt.other + "}}\n"
			_, err := access.NewTable(mustRead(t, files, openapi.Options{Scheme: "bearer"}).Routes())
			if tt.one != (err == nil) || err != nil && !strings.Contains(err.Error(), "is mapped already") {
				t.Errorf("NewTable = %v", err)
			}
		})
	}
}

// Nor does the order matter in which a config names the scopes of its default.
func TestPathsOfOtherNamesByDefault(t *testing.T) {
	for _, scopes := range []access.Scopes{{{"a:b", "c:d"}, {"e:f"}}, {{"c:d", "a:b"}, {"e:f"}}, {{"e:f"}, {"c:d", "a:b"}}} {
		files := operationWith("security: []")
		files["openapi.yaml"] += "  /p/{a}/x: {get: {security: [{bearer: [e:f]}, {bearer: [a:b, c:d]}]}}\n  /p/{b}/x: {get: {}}\n"
		options := openapi.Options{Scheme: "bearer", Default: &openapi.Default{Scopes: scopes}}
		if _, err := access.NewTable(mustRead(t, files, options).Routes()); err != nil {
			t.Errorf("default scopes %q: %v", scopes, err)
		}
	}
}
