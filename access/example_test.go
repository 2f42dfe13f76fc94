package access_test

import (
	"fmt"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// memory keeps grants by ID.
type memory map[apikey.ID]apikey.Grant

func (m memory) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	g, ok := m[id]
	return g, ok, nil
}

func (memory) LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	return apikey.ID{}, apikey.Grant{}, false, nil
}

func (memory) HasOpaque() bool { return false }

func Example() {
	table, err := access.NewTable([]access.Route{
		{Methods: []string{"GET"}, Pattern: "/v1/posts/{id}", Scopes: access.AllOf("posts:read")},
		{Methods: []string{"PUT", "PATCH"}, Pattern: "/v1/posts/{id}", Scopes: access.AllOf("posts:write")},
		{Methods: []string{"GET"}, Pattern: "/v1/status", Access: access.Public},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, id, hash := apikey.Generate("patra")
	keys := memory{id: {Hash: hash, Workspace: "acme", Scopes: apikey.NewScopeSet([]string{"posts:read"})}}
	policy := access.Policy{Brand: "patra", Table: table, Keys: keys}

	for _, q := range []access.Request{
		{Method: "GET", Path: "/v1/posts/7"},
		{Method: "PUT", Path: "/v1/posts/7"},
		{Method: "GET", Path: "/v1/posts/7/../8"},
		{Method: "GET", Path: "/v1/feeds"},
	} {
		q.Authorization = []string{"Bearer " + token}
		q.Now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
		d := policy.Decide(&q)
		fmt.Printf("%s %s: %d %s\n", q.Method, q.Path, d.Reason.Status(), d.Reason)
	}
	// Output:
	// GET /v1/posts/7: 200 allowed
	// PUT /v1/posts/7: 403 insufficient_scope
	// GET /v1/posts/7/../8: 400 ambiguous_path
	// GET /v1/feeds: 403 route_not_mapped
}

func ExampleTable_Match() {
	table, err := access.NewTable([]access.Route{
		{Methods: []string{"GET"}, Pattern: "/v1/users/*", Access: access.Authenticated},
		{Methods: []string{"GET"}, Pattern: "/v1/users/{id}", Scopes: access.AllOf("connections:read")},
		{Methods: []string{"GET"}, Pattern: "/v1/users/me", Access: access.Authenticated},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/v1/users/me", "/v1/users/7", "/v1/users/7/posts", "/v1/users/ME"} {
		if r := table.Match("GET", path); r != nil {
			fmt.Println(path, "is", r.Pattern)
		} else {
			fmt.Println(path, "is not mapped")
		}
	}
	// Output:
	// /v1/users/me is /v1/users/me
	// /v1/users/7 is /v1/users/{id}
	// /v1/users/7/posts is /v1/users/*
	// /v1/users/ME is not mapped
}
