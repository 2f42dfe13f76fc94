package lint_test

import (
	"fmt"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/access/openapi"
)

func Example() {
	list := access.Route{Methods: []string{"GET"}, Pattern: "/v1/items", Scopes: access.AllOf("items:read"), Source: "items.yaml:8", Imported: true}
	document := &openapi.Document{
		File: "items.yaml",
		Operations: []openapi.Operation{
			{Method: "GET", Path: "/v1/items", Source: "items.yaml:8", Route: &list},
			{Method: "POST", Path: "/v1/items", Source: "items.yaml:21", Problem: &openapi.Problem{Kind: openapi.NoSecurity, Text: "has no security; add it"}},
		},
	}
	gateway := lint.Mapping{
		Routes: []access.Route{
			{Methods: []string{"GET"}, Pattern: "/v1/Items", Scopes: access.AllOf("items:read"), Source: "Caddyfile:12"},
		},
		Documents: []*openapi.Document{document},
	}
	for _, f := range lint.Check([]lint.Mapping{gateway}, []lint.HeldScope{{Scope: "items:red", Count: 1}}) {
		fmt.Printf("%s [%s] %s\n", f.Where, f.Code, f.Problem)
	}
	// Output:
	//  [useless_key_scope] items:red is held by 1 key and opens nothing (did you mean items:read?): …
	// Caddyfile:12 [unknown_route] GET /v1/Items is in no document; write it as GET /v1/items (items.yaml:8): case counts, and so does a slash at the end
	// items.yaml:21 [no_security] POST /v1/items: has no security; add it
}
