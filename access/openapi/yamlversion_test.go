package openapi_test

import (
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// A document may say which YAML it is.
func TestYAMLVersions(t *testing.T) {
	const body = "openapi: 3.1.0\npaths: {/a: {get: {security: []}}}\n"
	for name, tt := range map[string]struct {
		head string
		read bool
	}{
		"none":                      {"", true},
		"the start alone":           {"---\n", true},
		"1.1":                       {"%YAML 1.1\n---\n", true},
		"1.2":                       {"%YAML 1.2\n---\n", true},
		"1.2, with spaces":          {"%YAML \t1.2 # the newest\n---\n", true},
		"behind comments":           {"# a\n\n# b\n%YAML 1.2\n---\n", true},
		"behind another directive":  {"%TAG !e! tag:example.com,2026:\n%YAML 1.2\n---\n", true},
		"with line ends of Windows": {"%YAML 1.2\r\n---\r\n", true},
		"behind a byte order mark":  {"\ufeff%YAML 1.2\n---\n", true},
		"2.0":                       {"%YAML 2.0\n---\n", false},
		"1.2, without a start":      {"%YAML 1.2\n", false},
		"1.2 in a text":             {"x-text: |\n  a\n  %YAML 1.2\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := openapi.Read(write(t, one(tt.head+body)), openapi.Options{})
			if tt.read != (err == nil) || err == nil && len(d.Routes()) != 1 {
				t.Errorf("%v", err)
			}
		})
	}
}
