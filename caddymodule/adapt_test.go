package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenFile is one of testdata/*/*.caddyfiletest, in the form of Caddy's own: a
// Caddyfile, a line of dashes, and what comes of it.
type goldenFile struct {
	path            string
	caddyfile, want string
}

const goldenDashes = "----------\n"

func goldenFiles(t testing.TB, kind string) (files []goldenFile) {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + kind + "/*.caddyfiletest")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		caddyfile, want, ok := strings.Cut(string(text), goldenDashes)
		if !ok {
			t.Fatalf("%s has no line %s", path, goldenDashes)
		}
		files = append(files, goldenFile{path, caddyfile, want})
	}
	return files
}

func (f *goldenFile) check(t *testing.T, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(f.path, []byte(f.caddyfile+goldenDashes+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != f.want {
		t.Errorf("gives\n%s\nwant\n%s", got, f.want)
	}
}

// adapt runs Caddy's own Caddyfile adapter, on a file in testdata: imports are
// relative to it. The folder of this package is not in what it returns.
func adapt(t *testing.T, caddyfile string) (string, []caddyconfig.Warning, error) {
	t.Helper()
	t.Setenv("KEYGATE_HEADER", "X-From-Env")
	t.Setenv("KEYGATE_SCOPE", "posts:read")
	out, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "testdata/Caddyfile"})
	if err != nil {
		return "", nil, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "\t"); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(pretty.String(), here+"/", "") + "\n", warnings, nil
}

func TestAdapt(t *testing.T) {
	for _, file := range goldenFiles(t, "adapt") {
		t.Run(filepath.Base(file.path), func(t *testing.T) {
			got, warnings, err := adapt(t, file.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 { // that caddy fmt would change it, for one
				t.Errorf("adapts with warnings: %v", warnings)
			}
			file.check(t, got)
		})
	}
}

// Every mistake is refused with what was expected, and where, on one line.
func TestMistakes(t *testing.T) {
	here, err := os.Getwd() // imported files are named by their whole path
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`(Caddyfile|snippets\.caddyfile):\d+`)
	for _, file := range goldenFiles(t, "mistakes") {
		t.Run(filepath.Base(file.path), func(t *testing.T) {
			out, _, err := adapt(t, file.caddyfile)
			if err == nil {
				t.Fatalf("adapts to %s", out)
			}
			got := strings.ReplaceAll(err.Error(), here+"/", "")
			if !place.MatchString(got) {
				t.Errorf("the error names no file and line: %s", got)
			}
			if strings.Contains(got, "\n") {
				t.Errorf("the error is more than a line: %q", got)
			}
			file.check(t, got+"\n")
		})
	}
}

// The Caddyfiles of these pages are whole, and formatted.
func TestPagesAdapt(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```caddyfile\n(.*?)```")
	for page, n := range map[string]int{"composition.md": 3, "authorization-endpoint.md": 2, "openapi.md": 3} {
		text, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		found := blocks.FindAllStringSubmatch(string(text), -1)
		if len(found) != n {
			t.Errorf("%s has %d Caddyfiles, want %d", page, len(found), n)
		}
		for _, block := range found {
			if _, warnings, err := adapt(t, block[1]); err != nil || len(warnings) > 0 {
				t.Errorf("%s: %v, %v in\n%s", page, err, warnings, block[1])
			}
		}
	}
}
