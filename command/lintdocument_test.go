package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/lint"
)

const walkSchemes = `openapi: 3.1.0
components:
  securitySchemes:
    oauth: {type: oauth2, flows: {}}
    header: {type: apiKey, in: header, name: X-Api-Key}
    basic: {type: http, scheme: basic}
`

// walks are documents of different shapes, and what is denied all the same once
// the block that lint prints is in a Caddyfile.
var walks = map[string]struct {
	name, text string
	denied     int
}{
	"dotted scopes":    {"api.yaml", walkSchemes + "paths: {/a: {get: {security: [{oauth: [posts.read]}]}, put: {security: [{oauth: [posts.write]}]}}}\n", 0},
	"URL scopes":       {"api.yaml", walkSchemes + "paths: {/a: {get: {security: [{oauth: ['https://a.example/auth/posts.readonly']}]}}}\n", 0},
	"no security":      {"api.yaml", "openapi: 3.0.3\npaths: {/a: {get: {}, put: {}}}\n", 0},
	"two schemes":      {"api.yaml", walkSchemes + "paths: {/a: {get: {security: [{oauth: [read]}]}, put: {security: [{oauth: [write]}]}, post: {security: [{header: []}]}}}\n", 1},
	"3.2":              {"api.yaml", strings.Replace(walkSchemes, "3.1.0", "3.2.0", 1) + "paths: {/a: {query: {security: [{oauth: [A]}]}, additionalOperations: {COPY: {}}}}\n", 1},
	"fragments":        {"api.yaml", walkSchemes + "security: [{oauth: [A]}]\npaths: {/a#x: {get: {}}, /b: {get: {}}}\n", 1},
	"partial segments": {"api.yaml", walkSchemes + "security: [{oauth: [A]}]\npaths: {'/jobs/{id}:cancel': {post: {}}}\n", 0},
	"one-line JSON":    {"api.json", `{"openapi":"3.0.0","components":{"securitySchemes":{"k":{"type":"http","scheme":"bearer"}}},"paths":{"/a":{"get":{"security":[{"k":["Read All"]}]}}}}`, 0},
	"hostile words":    {"api.yaml", walkSchemes + "paths: {/a: {get: {security: [{oauth: ['a b', '#c', '\\', 'a\"b', '{x}', '<<E', 'ä', '{env.HOME}']}]}, put: {security: [{oauth: [\"`\"]}]}, post: {security: [{oauth: ['{$HOME}']}]}, patch: {security: [{oauth: [\"a\\n}\"]}]}}}\n", 3},
	"declared scopes":  {"api.yaml", strings.Replace(walkSchemes, "flows: {}", "flows: {deviceAuthorization: {scopes: {posts.read: Read, Posts.Write: Write}}}", 1) + "paths: {/a: {get: {security: [{oauth: [posts.read]}]}, put: {security: [{oauth: [Posts.Write]}]}}}\n", 0},
	"key in a header":  {"api.yaml", walkSchemes + "security: [{header: []}]\npaths: {/a: {get: {}}}\n", 0},
}

// The block that lint prints of a document can be pasted: the config loads, and
// what the block is for is mapped.
func TestLintDocumentBlockCanBePasted(t *testing.T) {
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, walk.name)
			if err := os.WriteFile(path, []byte(walk.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if !isDocument(path, "") {
				t.Fatal("it is not taken for a document")
			}
			r, err := lintDocument(path)
			if err != nil {
				t.Fatal(err)
			}
			block := r.block
			gateways, err := readConfig(writeConfig(t, "Caddyfile", ":8080 {\n\tkeygate {\n"+block+"\t}\n}\n"), "")
			if err != nil {
				t.Fatalf("%v\n%s", err, block)
			}
			denied := 0
			for _, o := range gateways[0].Documents[0].Operations {
				if o.Problem != nil {
					denied++
				} else if o.Route.Access == access.Public {
					t.Errorf("%s %s is public", o.Method, o.Path)
				}
			}
			if denied != walk.denied {
				t.Errorf("%d operations are denied, want %d\n%s", denied, walk.denied, block)
			}
			checked := lint.Mapping{Documents: gateways[0].Documents, Header: gateways[0].Header}
			for _, f := range lint.Check([]lint.Mapping{checked}, nil) {
				if f.Code == lint.UnusedScope && f.Where != "" {
					t.Errorf("after it was pasted: %s\n%s", f.Problem, block)
				}
				if slices.Contains([]lint.Code{lint.NoSecurity, lint.UnusedScopeMap, lint.MergedScopes, lint.KeyHeader}, f.Code) {
					t.Errorf("after it was pasted: %s\n%s", f.Problem, block)
				}
			}
		})
	}
}

// Where nothing can be mapped the error says what is wrong first, and what to do.
func TestNothingMapped(t *testing.T) {
	document := writeConfig(t, "api.yaml", "openapi: 3.1.0\npaths: {/a: {get: {}}}\n")
	_, err := readConfig(writeConfig(t, "Caddyfile", ":8080 {\n\tkeygate {\n\t\topenapi "+document+"\n\t}\n}\n"), "")
	if err == nil || !strings.Contains(err.Error(), "none of the 1 operations can be mapped (1 no_security), such as api.yaml:2: GET /a: neither") || !strings.Contains(err.Error(), "caddy keygate lint") {
		t.Errorf("readConfig = %v", err)
	}
}

func TestIsDocument(t *testing.T) {
	folder := t.TempDir()
	for name, tt := range map[string]struct {
		adapter, text string
		want          bool
	}{
		"api.yaml":      {"", "", true},
		"api.YML":       {"", "", true},
		"config.yaml":   {"yaml", "", false},
		"api.json":      {"", `{"openapi": "3.1.0"}`, true},
		"old.json":      {"", `{"swagger": "2.0"}`, true},
		"config.json":   {"", `{"apps": {}}`, false},
		"broken.json":   {"", `{`, false},
		"Caddyfile":     {"", "openapi: 3.1.0", false},
		"api.caddyfile": {"", "", false},
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := isDocument(path, tt.adapter); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The block is printed as it is pasted, line by line, after the findings.
func TestLintDocumentPrintsTheBlock(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	for name, text := range map[string]string{
		"media.yaml": "openapi: 3.1.0\npaths:\n  /media:\n    get: {security: [{key: [media.read]}]}\n  /health:\n    get: {}\ncomponents: {securitySchemes: {key: {type: http, scheme: bearer}}}\n",
		"plain.yaml": "openapi: 3.1.0\npaths: {/a: {get: {security: [{key: [\"posts:read\"]}]}}}\ncomponents: {securitySchemes: {key: {type: http, scheme: bearer}}}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := person{}.run("lint", "media.yaml")
	want := "\n# In keygate { … }:\nopenapi media.yaml {\n\tscope_map media.read media:read\n\tdefault authenticated\n}\n"
	findings, block, _ := strings.Cut(o.stdout, "\n\n")
	if !o.failed || strings.Count(findings, "\n") != 3 || "\n"+block != want {
		t.Errorf("printed\n%s%s", o.stdout, o.stderr)
	}
	if o := (person{}).run("lint", "plain.yaml"); o.failed || o.stdout != "# In keygate { … }:\nopenapi plain.yaml\n" {
		t.Errorf("printed\n%s%s", o.stdout, o.stderr)
	}
}

// Where nothing is mapped all findings come first, by reason and with their
// number, then the error with the first of them: of a document, and of a config
// that would not load.
func TestNothingMappedPrintsAllFindings(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"api.yaml":       "openapi: 3.1.0\npaths:\n  /a:\n    get: {}\n    trace: {}\n  /b:\n    put: {security: []}\n    get: {}\n",
		"none.yaml":      "openapi: 3.1.0\npaths:\n  /a:\n    get: {}\n    trace: {}\n  /b:\n    get: {}\n",
		"Caddyfile":      ":8080 {\n\tkeygate {\n\t\topenapi none.yaml\n\t}\n}\n:8081 {\n\tkeygate {\n\t\topenapi api.yaml\n\t}\n}\n",
		"deny.caddyfile": ":8080 {\n\tkeygate {\n\t\tdeny GET /a\n\t\topenapi none.yaml\n\t}\n}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	codes := func(o outcome) (lines []string) {
		for line := range strings.Lines(o.stdout) {
			if line == "\n" {
				break
			}
			parts := strings.SplitN(strings.TrimSpace(line), ": ", 3)
			lines = append(lines, strings.Join(parts[:min(len(parts), 2)], " "))
		}
		return lines
	}
	for file, want := range map[string][]string{
		"none.yaml":      {"# 2 no_security", "none.yaml:4 no_security", "none.yaml:7 no_security", "# 1 unmappable", "none.yaml:5 unmappable"},
		"Caddyfile":      {"# 4 no_security", "api.yaml:4 no_security", "api.yaml:8 no_security", "none.yaml:4 no_security", "none.yaml:7 no_security", "# 2 unmappable", "api.yaml:5 unmappable", "none.yaml:5 unmappable"},
		"deny.caddyfile": {"# 1 no_security", "none.yaml:7 no_security", "# 1 unmappable", "none.yaml:5 unmappable"},
		"api.yaml":       {"api.yaml:4 no_security", "api.yaml:5 unmappable", "api.yaml:8 no_security"},
	} {
		o := person{}.run("lint", file)
		if got := codes(o); !slices.Equal(got, want) || !o.failed {
			t.Errorf("lint %s prints\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		const first = "none of the 3 operations can be mapped (2 no_security, 1 unmappable), such as none.yaml:4: GET /a: neither"
		if strings.Contains(o.stderr, first) != (file != "api.yaml") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("lint %s: %s", file, o.stderr)
		}
	}
}
