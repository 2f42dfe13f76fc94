package plugin_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// A path in code: in backquotes, or as an argument of a command.
	namedPath = regexp.MustCompile("[`\\s=](\\.?/?[\\w.-]+(?:/[\\w.-]+)+|\\w+\\.go)/?[`\\s),]")

	// Where a page says no folder, it means one of these.
	meantFolders = []string{"", "caddymodule", "adminapi", "command", "access", "apikey", "keystore", "ratelimit"}
)

// pathsIn returns what looks like a path of the repository in code.
func pathsIn(text string) (paths []string) {
	for _, code := range append(inlinePattern.FindAllString(fencedPattern.ReplaceAllString(text, ""), -1), fencedPattern.FindAllString(text, -1)...) {
		code = strings.ReplaceAll(code, " ", "  ") // matches share no byte
		for _, m := range namedPath.FindAllStringSubmatch(code, -1) {
			if !strings.HasPrefix(m[1], "/") && !strings.HasSuffix(m[1], "/...") {
				paths = append(paths, m[1])
			}
		}
	}
	return paths
}

func exists(path string) bool {
	return slices.ContainsFunc(meantFolders, func(folder string) bool {
		_, err := os.Stat(filepath.Join("..", folder, path))
		return err == nil
	})
}

// What the pages for contributors name is there.
func TestDocsPaths(t *testing.T) {
	t.Parallel()
	design := designPage(t)
	texts := map[string]string{
		"CONTRIBUTING.md": readFile(t, "CONTRIBUTING.md"),
		"docs/design.md":  section(t, design, "Layout") + section(t, design, "One request through the code") + section(t, design, "One change through the code"),
	}
	for page, text := range texts {
		paths := pathsIn(text)
		if len(paths) < 20 {
			t.Errorf("%s names only %q", page, paths)
		}
		for _, path := range paths {
			if !exists(path) {
				t.Errorf("%s names %s, and there is no such file or folder", page, path)
			}
		}
	}
	// Other pages name much that looks like a path and is none: here it has to
	// begin with a folder that there is.
	for _, p := range readPages(t) {
		if p.file != "docs/design.md" && filepath.Dir(p.file) != "docs/adr" {
			continue
		}
		for _, path := range pathsIn(readFile(t, p.file)) {
			folder, _, _ := strings.Cut(path, "/")
			if _, err := os.Stat(filepath.Join("..", folder)); err == nil && !exists(path) {
				t.Errorf("%s names %s, and there is no such file or folder", p.file, path)
			}
		}
	}
}

// Each target of make and each step of .ci/run that is named is one.
func TestDocsTargets(t *testing.T) {
	t.Parallel()
	makefile, ci := readFile(t, "Makefile"), readFile(t, ".ci/run")
	steps := strings.Fields(regexp.MustCompile(`(?m)^all_steps=\((.*)\)$`).FindStringSubmatch(ci)[1])
	targets := 0
	for _, text := range []string{makefile, readFile(t, "CONTRIBUTING.md"), readFile(t, ".github/workflows/ci.yaml")} {
		for _, m := range regexp.MustCompile("(?m)(?:^ *|[`\t]|run: )(?:make|bash \\.ci/run|steps:) ([a-z0-9 ]+)").FindAllStringSubmatch(text, -1) {
			for name := range strings.FieldsSeq(m[1]) {
				targets++
				if strings.Contains(m[0], "make ") {
					if !strings.Contains(makefile, "\n"+name+":\n") {
						t.Errorf("make has no target %s", name)
					}
					break // variables follow
				}
				if name != "help" && !slices.Contains(steps, name) {
					t.Errorf(".ci/run has no step %s", name)
				}
			}
		}
	}
	if targets < 20 {
		t.Errorf("only %d targets and steps are named", targets)
	}
	for _, step := range steps {
		if !strings.Contains(ci, "\n\t"+step+")") {
			t.Errorf(".ci/run lists %s and does not run it", step)
		}
	}
}

const modulePath = "github.com/socialpatra/keygate"

// roomsImported are the rooms of the code by what they import, tests and what only
// tests and measurements use left out.
func roomsImported(t testing.TB) map[string][]string {
	t.Helper()
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	room := func(path string) string {
		name, ours := strings.CutPrefix(path, modulePath+"/")
		switch {
		case path == modulePath:
			return "keygate"
		case !ours, regexp.MustCompile(`^(bench|docs|plugin_test|cmd/mutate|cmd/build)\b|test$|^internal/(english|headers|headroom|jsontree|logthrottle|processes|keyfields|readers|unotify|testing)\b`).MatchString(name):
			return ""
		}
		return name
	}
	imported := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from := room(words[0])
		if from == "" {
			continue
		}
		imported[from] = nil
		for _, path := range words[1:] {
			if to := room(path); to != "" {
				imported[from] = append(imported[from], to)
			}
		}
	}
	return imported
}

// reached returns all that a room leads to.
func reached(from string, arrows map[string][]string) map[string]bool {
	found := make(map[string]bool)
	for next := slices.Clone(arrows[from]); len(next) > 0; next = next[1:] {
		if !found[next[0]] {
			found[next[0]] = true
			next = append(next, arrows[next[0]]...)
		}
	}
	return found
}

// The picture of the rooms is that of the code: it leads from a room to just
// those that the room imports, directly or not.
func TestDesignDrawsImports(t *testing.T) {
	t.Parallel()
	_, picture, ok := strings.Cut(designPage(t), "```mermaid\nflowchart TD\n")
	if !ok {
		t.Fatal("docs/design.md has no picture")
	}
	picture, _, _ = strings.Cut(picture, "```")
	names := make(map[string]string)
	for _, m := range regexp.MustCompile(`(\w+)\["([^"]+)"\]`).FindAllStringSubmatch(picture, -1) {
		names[m[1]] = m[2]
	}
	drawn := make(map[string][]string)
	for line := range strings.Lines(picture) {
		line = regexp.MustCompile(`\["[^"]*"\]|\|[^|]*\|`).ReplaceAllString(strings.TrimSpace(line), "")
		rooms := strings.Split(line, " --> ")
		for i := range rooms[1:] {
			from, to := names[strings.TrimSpace(rooms[i])], names[strings.TrimSpace(rooms[i+1])]
			drawn[from] = append(drawn[from], to)
		}
	}
	imported := roomsImported(t)
	for from := range imported {
		code, page := slices.Sorted(maps.Keys(reached(from, imported))), slices.Sorted(maps.Keys(reached(from, drawn)))
		if !slices.Equal(code, page) {
			t.Errorf("%s imports %q, in docs/design.md it leads to %q", from, code, page)
		}
	}
	if len(imported) < 15 || drawn[""] != nil {
		t.Errorf("rooms of the code are %d; unnamed in the picture lead to %q", len(imported), drawn[""])
	}
}
