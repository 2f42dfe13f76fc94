package openapi_test

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// An operation whose every request some backend takes for one of another path
// passes nobody, so it is told as denied. One that some request reaches is not.
func TestLookAlikesAreTold(t *testing.T) {
	for name, test := range map[string]struct {
		paths  string // with what each operation needs
		denied string // methods and paths
	}{
		"a format behind a literal":    {`{"/query": {get: {}}, "/query.{format}": {get: {}}}`, "GET /query.{format}"},
		"below a parameter":            {`{"/a/{id}/stream": {get: {}, head: {}}, "/a/{id}/stream.{container}": {get: {}, head: {}}}`, "GET /a/{id}/stream.{container} HEAD /a/{id}/stream.{container}"},
		"with more below":              {`{"/query/{id}": {get: {}}, "/query.{format}/{id}": {get: {}}}`, "GET /query.{format}/{id}"},
		"another method":               {`{"/query": {post: {}}, "/query.{format}": {get: {}}}`, ""},
		"the path is longer":           {`{"/query/more": {get: {}}, "/query.{format}": {get: {}}}`, ""},
		"a format behind a parameter":  {`{"/query": {get: {}}, "/{id}.{format}": {get: {}}}`, ""},
		"a format that is a literal":   {`{"/query": {get: {}}, "/query.json": {get: {}}}`, ""},
		"with a rest":                  {`{"/query/*": {get: {}}, "/query.{format}/*": {get: {}}}`, "GET /query.{format}/*"},
		"beside one that is denied":    {`{"/a": {get: {security: [{key: [X]}]}}, "/query": {get: {}}, "/query.{format}": {get: {}}}`, "GET /a GET /query.{format}"},
		"paths with many letters":      {`{"/xq": {get: {}}, "/{x}.qqq": {get: {}}, "/query": {get: {}}, "/query.{format}": {get: {}}}`, "GET /query.{format}"},
		"one that is denied already":   {`{"/query": {get: {}}, "/query.{format}": {get: {security: [{key: [X]}]}}}`, "GET /query.{format}"},
		"a parameter for any of these": {`{"/query": {get: {}}, "/{id}": {get: {}}, "/{id}:go": {get: {}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := "openapi: 3.1.0\nsecurity: [{key: []}]\ncomponents: {securitySchemes: {key: {type: http, scheme: bearer}}}\npaths: " + test.paths + "\n"
			d := mustRead(t, one(text), openapi.Options{})
			var denied []string
			for _, o := range d.Operations {
				if o.Problem != nil {
					denied = append(denied, o.Method+" "+o.Path)
					if o.Route.Access != access.Denied || o.Problem.Kind != openapi.Unmappable || o.Problem.Text == "" {
						t.Errorf("%s %s is %+v, %+v", o.Method, o.Path, o.Route, o.Problem)
					}
				}
			}
			if got := strings.Join(denied, " "); got != test.denied {
				t.Errorf("denied are %q, want %q", got, test.denied)
			}
		})
	}
}
