package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/access"
)

// documentOf writes a document with so many operations, and as many that no route
// can stand for.
func documentOf(t *testing.T, good, bad int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("openapi: 3.1.0\ninfo: {title: t, version: \"1\"}\nservers: [{url: /v1}]\ncomponents: {securitySchemes: {key: {type: http, scheme: bearer}}}\npaths:\n")
	for i := range good {
		fmt.Fprintf(&b, "  /good%d: {get: {security: [{key: [\"posts:read\"]}]}}\n", i)
	}
	for i := range bad {
		fmt.Fprintf(&b, "  /bad%d: {get: {security: [{key: [\"not a scope\"]}]}}\n", i)
	}
	name := filepath.Join(t.TempDir(), "api.yaml")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The log names what of a document does not take effect, ten at most, and says
// nothing where all of it does.
func TestWhatDocumentsDoNotDoIsLogged(t *testing.T) {
	for _, test := range []struct {
		good, bad, written int
		source             string
		denied, overlaps   int // how many are told of
	}{
		{1, 0, 0, "", 0, 0},
		{1, 1, 0, "", 1, 0},
		{1, 12, 0, "", 12, 0},
		{12, 0, 12, "Caddyfile:3", 0, 12},
		{2, 0, 1, "", 0, 1},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			h := &Handler{OpenAPI: []OpenAPI{{File: documentOf(t, test.good, test.bad)}}}
			for i := range test.written {
				h.Routes = append(h.Routes, Route{Methods: []string{"GET"}, Path: fmt.Sprintf("/v1/good%d", i), Access: string(access.Authenticated), Source: test.source})
			}
			g, err := h.mapping()
			if err != nil {
				t.Fatal(err)
			}
			core, logged := observer.New(zap.DebugLevel)
			report(&g, zap.New(core))
			for snippet, want := range map[string]int{"no routes and denied": test.denied, "come before": test.overlaps} {
				told := logged.FilterMessageSnippet(snippet).All()
				if len(told) != min(want, 1) {
					t.Fatalf("%d lines with %q, want %d", len(told), snippet, min(want, 1))
				}
				if len(told) == 0 {
					continue
				}
				fields := told[0].ContextMap()
				first, _ := fields["first"].([]any)
				if n := fmt.Sprint(fields["operations"], fields["overlaps"]); !strings.Contains(n, fmt.Sprint(want)) || len(first) != min(want, 10) {
					t.Errorf("tells of %v", fields)
				}
				begins := map[string]string{"no routes and denied": "api.yaml:", "come before": "Caddyfile:3: GET /v1/good"}[snippet]
				if test.source == "" && snippet == "come before" {
					begins = "GET /v1/good0 comes before api.yaml:"
				}
				for _, line := range first {
					if text := fmt.Sprint(line); !strings.HasPrefix(text, begins) {
						t.Errorf("tells of %q, which does not begin with %q", text, begins)
					}
				}
			}
		})
	}
}

// Two documents may have the same requests. Such a request needs what both need,
// also where one denies it.
func TestDocumentsThatCross(t *testing.T) {
	document := func(path, security string) OpenAPI {
		name := filepath.Join(t.TempDir(), "api.yaml")
		text := "openapi: 3.1.0\ncomponents: {securitySchemes: {key: {type: http, scheme: bearer}}}\npaths: {\"" + path + "\": {get: {security: [" + security + "]}}}\n"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return OpenAPI{File: name}
	}
	for security, want := range map[string]string{`{key: ["posts:read"]}`: "media:upload posts:read", "{key: []}": "media:upload", "{key: [Read]}": "deny"} {
		h := &Handler{OpenAPI: []OpenAPI{document("/users/{id}/posts", `{key: ["media:upload"]}`), document("/users/me/{part}", security)}}
		g, err := h.mapping()
		if err != nil {
			t.Fatal(err)
		}
		if r := g.Policy.Table.Match("GET", "/users/me/posts"); r == nil || string(r.Access)+r.Scopes.String() != want {
			t.Errorf("with %s it needs %+v, want %s", security, r, want)
		}
	}
}

// A handler without a Caddy is the one that Caddy would load.
func TestMappingOf(t *testing.T) {
	routes := []any{map[string]any{"methods": []string{"GET"}, "path": "/v1/posts", "scopes": []string{"posts:read"}}}
	for name, test := range map[string]struct {
		handler map[string]any
		want    string // of the error
	}{
		"sound":           {map[string]any{"handler": "keygate", "routes": routes, "header": "x-key", "missing_origin": "allow", "cors": map[string]any{"off": true}}, ""},
		"unknown field":   {map[string]any{"handler": "keygate", "routes": routes, "heder": "x-key"}, "heder"},
		"refused":         {map[string]any{"handler": "keygate", "routes": routes, "errors": "json"}, "problem or caddy"},
		"no such file":    {map[string]any{"handler": "keygate", "openapi": []any{map[string]any{"file": "testdata/none.yaml"}}}, "none.yaml"},
		"nothing is open": {map[string]any{"handler": "keygate"}, "route"},
		"no JSON":         {map[string]any{"handler": "keygate", "routes": func() {}}, "unsupported type"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := MappingOf(test.handler)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if err == nil && (g.Header != "X-Key" || !g.Policy.AllowMissingOrigin || g.Policy.CORS || g.Policy.Table.Match("GET", "/v1/posts") == nil) {
				t.Errorf("%+v", g)
			}
			if test.handler["handler"] == nil {
				t.Error("the caller's config was changed")
			}
		})
	}
}

// A document is where the Caddyfile is that names it, unless its path is whole or
// begins with a placeholder.
func TestPathsOfDocuments(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"api.yaml": filepath.Join(here, "testdata", "api.yaml"), "../api.yaml": filepath.Join(here, "api.yaml"), "/srv/api.yaml": "/srv/api.yaml", "{env.DOCUMENTS}/api.yaml": "{env.DOCUMENTS}/api.yaml",
	} {
		if got, err := resolve(file, "testdata/Caddyfile"); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", file, got, err, want)
		}
	}
}
