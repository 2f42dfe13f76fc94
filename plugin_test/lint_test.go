package plugin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A config, a document and keys in which something of each kind does not fit.
const lintSite = `
:{$PORT} {
	keygate {
		openapi ./api.yaml
		scope posts:read {
			POST /v1/search
			GET /v1/posts/{id}
		}
	}
	reverse_proxy {$BACKEND}
}
`

const lintDocument = `openapi: 3.0.3
info: {title: Posts, version: "1"}
servers: [{url: /v1}]
components:
  securitySchemes:
    key:
      type: oauth2
      flows:
        clientCredentials:
          tokenUrl: https://example.com
          scopes: {"posts:read": Read, "posts:write": Write, "drafts:read": Read drafts}
paths:
  /posts/{id}:
    get: {security: [{key: ["posts:read"]}]}
    put: {security: [{key: ["posts:write"]}]}
    delete: {}
  /posts//drafts:
    get: {security: [{key: ["posts:read"]}]}
  /files/{name}{ext}:
    get: {security: [{key: ["posts:read"]}]}
`

// lintFindings are the findings, without what the catalogue adds.
var lintFindings = []string{
	"Caddyfile:6: read_scope_writes",
	"Caddyfile:6: unknown_route",
	"api.yaml:11: unused_scope", // drafts:read
	"api.yaml:14: shadowed",
	"api.yaml:16: no_security",
	"api.yaml:18: ambiguous_path",
	"api.yaml:20: unmappable",
}

// lintFolder is a gateway that has never run, in a folder with the files.
func lintFolder(t *testing.T, files map[string]string) *gateway {
	t.Helper()
	g := &gateway{Dir: t.TempDir(), Admin: "127.0.0.1:1"}
	home := filepath.Join(g.Dir, "home")
	g.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "PORT=1", "BACKEND=127.0.0.1:1"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(g.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func TestLint(t *testing.T) {
	t.Parallel()
	g := lintFolder(t, map[string]string{"Caddyfile": lintSite, "api.yaml": lintDocument})
	for name, args := range map[string][]string{
		"by name":     {"keygate", "lint", "Caddyfile"},
		"in a folder": {"keygate", "lint"},
		"by a flag":   {"keygate", "lint", "--config", "Caddyfile"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.cli(t, args...)
			if r.Code != 1 || strings.Count(strings.TrimSpace(r.Stderr), "\n") > 0 {
				t.Errorf("status %d with %q", r.Code, r.Stderr)
			}
			var found []string
			for line := range strings.Lines(r.Stdout) {
				parts := strings.SplitN(line, ": ", 3)
				if len(parts) == 3 && strings.Contains(parts[0], ":") {
					found = append(found, parts[0]+": "+parts[1])
				} else {
					t.Errorf("a finding of no place: %s", line)
				}
			}
			if !slices.Equal(found, lintFindings) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(lintFindings, "\n"))
			}
		})
	}
	if entries, err := os.ReadDir(g.Dir); err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "data" || e.Name() == "home" }) {
		t.Errorf("lint left %v, %v", entries, err)
	}
}

type findings struct {
	Findings []finding
}

type finding struct{ Code, Where, Problem string }

func (g *gateway) lint(t *testing.T, args ...string) findings {
	t.Helper()
	r := g.cli(t, append([]string{"keygate", "lint", "Caddyfile", "--json"}, args...)...)
	var f findings
	if err := json.Unmarshal([]byte(r.Stdout), &f); err != nil || (r.Code == 1) != (len(f.Findings) > 0) {
		t.Fatalf("status %d, %v: %s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	return f
}

// Keys are looked at in a store that nobody serves and in a Caddy that runs.
func TestLintKeys(t *testing.T) {
	t.Parallel()
	g, _ := startDocumentSite(t)
	k, _ := g.createKey(t, "--scope", "posts:read,analytics:read")
	useless := func(f findings) (problems []string) {
		for _, finding := range f.Findings {
			if finding.Code == "useless_key_scope" {
				problems = append(problems, finding.Problem)
			}
		}
		return problems
	}
	check := func(args ...string) {
		t.Helper()
		if got := useless(g.lint(t, args...)); len(got) != 1 || !strings.Contains(got[0], "analytics:read") || !strings.Contains(got[0], k.ID) {
			t.Errorf("%q: %q", args, got)
		}
	}
	check("--address", g.Admin)
	if got := useless(g.lint(t)); got != nil {
		t.Errorf("without being told where the keys are it found %q", got)
	}
	g.stop(t)
	check("--db", "data/keygate.db")
}

func TestLintOfTheExamples(t *testing.T) {
	t.Parallel()
	files := make(map[string]string)
	for _, name := range []string{"Caddyfile.example", "Caddyfile.openapi.example", "socialpatra.openapi.yaml"} {
		text, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	g := lintFolder(t, files)
	for _, name := range []string{"Caddyfile.example", "Caddyfile.openapi.example"} {
		if r := g.cli(t, "keygate", "lint", name); r.Code != 0 || r.Stdout+r.Stderr != "" {
			t.Errorf("%s: status %d\n%s%s", name, r.Code, r.Stdout, r.Stderr)
		}
	}
}

func TestLintRefuses(t *testing.T) {
	t.Parallel()
	g := lintFolder(t, map[string]string{
		"Caddyfile":       lintSite,
		"api.yaml":        strings.Replace(lintDocument, "3.0.3", "2.0", 1),
		"plain.caddyfile": ":8080 {\n\trespond hello\n}\n",
		"broken.json":     "{",
	})
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a broken document": {[]string{"Caddyfile"}, "api.yaml:1: "},
		"no keygate":        {[]string{"plain.caddyfile"}, "plain.caddyfile has no keygate handler"},
		"no such file":      {[]string{"nothing"}, "no such file"},
		"broken JSON":       {[]string{"broken.json"}, "broken.json"},
		"two configs":       {[]string{"a", "b"}, "takes one config file"},
		"twice":             {[]string{"a", "--config", "b"}, "the config is given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.cli(t, append([]string{"keygate", "lint"}, tt.args...)...)
			if r.Code != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, tt.want) {
				t.Errorf("status %d: %s%s", r.Code, r.Stdout, r.Stderr)
			}
		})
	}
}
