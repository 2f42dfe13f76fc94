package openapi_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// opens finds what can make a route public: an empty list or an empty mapping,
// as YAML or JSON may write it.
var opens = regexp.MustCompile(`\[[^\w"']*\]|\{[^\w"']*\}`)

func FuzzRead(f *testing.F) {
	for _, text := range []string{
		posts, toJSON(f, posts), largeDocument(4), schemes + "security: [{header: []}]\npaths: {/a/*: {get: {}}}\n",
		"openapi: 3.1.0\nsecurity: &s [&r {}]\nx: &x {<<: *r, get: {security: *s}}\npaths: {$ref: '#/y', /a: *x}\ny: {/b: {$ref: '#/x'}}",
		"openapi: 3.0.0\npaths: {/a: {$ref: 'openapi.yaml#/paths/~1b'}, /b: {put: {x-keygate-cost: 2, servers: [{url: '/{a}', variables: {a: {default: b}}}]}}}",
		`{"openapi": "3.1.0", "paths": {"/\ud83d\ude00": {"get": {"security": [{}]}}}}`,
	} {
		f.Add(text, "", "")
		f.Add(text, "oauth", "/v1")
	}
	path := filepath.Join(f.TempDir(), "openapi.yaml")
	f.Fuzz(func(t *testing.T, text, scheme, basePath string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := openapi.Read(path, openapi.Options{Scheme: scheme, BasePath: basePath})
		if err != nil {
			if e, ok := errors.AsType[*openapi.Error](err); !ok || e.Where == "" || e.Problem == "" {
				t.Fatalf("the error is %#v", err)
			}
			return
		}
		if len(d.Operations) == 0 {
			t.Fatal("a document without operations")
		}
		for i := range d.Operations {
			o := &d.Operations[i]
			if o.Route == nil && o.Problem == nil || o.Route != nil && (o.Route.Access == access.Denied) != (o.Problem != nil) {
				t.Fatalf("%s %s: route %v and problem %v", o.Method, o.Path, o.Route, o.Problem)
			}
			if o.Route == nil {
				continue
			}
			if err := o.Route.Check(); err != nil {
				t.Fatal(err)
			}
			if o.Route.Access == access.Public && !opens.MatchString(text) {
				t.Fatalf("%s %s is public", o.Method, o.Path)
			}
		}
	})
}
