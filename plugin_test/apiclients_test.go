//go:build backends

package plugin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Clients that others' generators make of the API's document, as the gateway
// serves it, compile under strict settings and lead a key through its life.
func TestGeneratedClients(t *testing.T) {
	for name, steps := range map[string][][]string{
		"go": {
			{"go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "client", "-o", "client/client.go", "openapi.yaml"},
			{"go", "mod", "tidy", "-diff"},
			{"go", "vet", "./..."},
			{"go", "run", ".", "ADMIN"},
		},
		"ts": {
			{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"},
			{"npx", "--no-install", "openapi-typescript", "openapi.yaml", "-o", "api.d.ts"},
			{"npx", "--no-install", "tsc"},
			{"node", "built/life.js", "ADMIN"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := startSite(t)
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/apiclients/"+name)); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, "client"), 0o700); err != nil {
				t.Fatal(err)
			}
			document := g.adminDo(t, "GET", "/keygate/openapi.yaml", "")
			if got := document.Header.Get("Content-Type"); document.Status != 200 || got != "application/yaml" {
				t.Fatalf("the document: %d %s", document.Status, got)
			}
			if err := os.WriteFile(filepath.Join(dir, "openapi.yaml"), []byte(document.Body), 0o600); err != nil {
				t.Fatal(err)
			}
			said := ""
			for _, command := range steps {
				last := len(command) - 1
				if command[last] == "ADMIN" {
					command[last] = "http://" + g.Admin
				}
				cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOFLAGS=")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
				}
				said = string(out)
			}
			if !strings.Contains(said, "a whole life") {
				t.Errorf("it says %s", said)
			}
		})
	}
}

// The document is clean under the recommended rules of a linter that is not ours.
func TestDocumentIsClean(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/apiclients/lint")); err != nil {
		t.Fatal(err)
	}
	g := startCaddy(t, authoritySite)
	for name, document := range map[string]response{
		"admin.yaml":     g.adminDo(t, "GET", "/keygate/openapi.yaml", ""),
		"workspace.yaml": g.do(t, "GET", "/full/api/openapi.yaml", "", "X-Workspace: acme", "X-User: lee"),
		"operator.yaml":  g.do(t, "GET", "/all/api/openapi.yaml", "", "X-User: lee"),
	} {
		if document.Status != 200 {
			t.Fatalf("%s: %d %s", name, document.Status, document.Body)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(document.Body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{
		{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"},
		{"npx", "--no-install", "redocly", "lint", "--extends", "recommended", "--max-problems", "1000", "admin.yaml", "workspace.yaml", "operator.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "warning") && strings.Contains(string(out), "rule.") {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
}
