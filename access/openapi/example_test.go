package openapi_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/socialpatra/keygate/access/openapi"
)

func ExampleRead() {
	folder, err := os.MkdirTemp("", "openapi")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "socialpatra.openapi.yaml")
	err = os.WriteFile(path, []byte(`openapi: 3.1.0
servers: [{url: https://api.example.com/v1}]
components: {securitySchemes: {key: {type: http, scheme: bearer}}}
paths:
  /posts/{id}:
    get:
      security: [{key: [posts:read]}]
    put:
      security: [{key: [posts:write]}, {key: [posts:approve]}]
      x-keygate-cost: 5
    delete: {}
  /status:
    get: {security: []}
`), 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}

	document, err := openapi.Read(path, openapi.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range document.Operations {
		if o.Problem != nil {
			fmt.Printf("%s: %s %s: %s\n", o.Source, o.Method, o.Path, o.Problem.Kind)
			continue
		}
		fmt.Printf("%s: %s is for %s%s\n", o.Source, o.Route, o.Route.Access, o.Route.Scopes)
	}
	// Output:
	// socialpatra.openapi.yaml:6: GET /v1/posts/{id} is for posts:read
	// socialpatra.openapi.yaml:8: PUT /v1/posts/{id} is for posts:write | posts:approve
	// socialpatra.openapi.yaml:11: DELETE /v1/posts/{id}: no_security
	// socialpatra.openapi.yaml:13: GET /v1/status is for public
}
