package selfservice

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

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard" // the directives around ours
)

var update = flag.Bool("update", false, "rewrite the golden files")

// adapt runs Caddy's own Caddyfile adapter.
func adapt(t testing.TB, caddyfile string) (string, []caddyconfig.Warning, error) {
	t.Helper()
	out, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", nil, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n", warnings, nil
}

// goldens calls f with the Caddyfile of each golden file of a kind, which returns
// what comes of it.
func goldens(t *testing.T, kind string, f func(t *testing.T, caddyfile string) string) {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + kind + "/*.caddyfiletest")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d golden files: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			const dashes = "----------\n"
			caddyfile, want, ok := strings.Cut(string(text), dashes)
			if !ok {
				t.Fatalf("%s has no line %s", path, dashes)
			}
			got := f(t, caddyfile)
			if *update {
				if err := os.WriteFile(path, []byte(caddyfile+dashes+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("gives\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestAdapt(t *testing.T) {
	goldens(t, "adapt", func(t *testing.T, caddyfile string) string {
		t.Helper()
		got, warnings, err := adapt(t, caddyfile)
		if err != nil || len(warnings) > 0 { // that caddy fmt would change it, for one
			t.Fatal(err, warnings)
		}
		return got
	})
}

// Every mistake is refused with what was expected, and where, on one line.
func TestMistakes(t *testing.T) {
	place := regexp.MustCompile(`Caddyfile:\d+`)
	goldens(t, "mistakes", func(t *testing.T, caddyfile string) string {
		t.Helper()
		out, _, err := adapt(t, caddyfile)
		if err == nil {
			t.Fatalf("adapts to %s", out)
		}
		if got := err.Error(); !place.MatchString(got) || strings.Contains(got, "\n") || !strings.Contains(got, "; ") {
			t.Errorf("the error does not say where and what is accepted, on one line: %s", got)
		}
		return err.Error() + "\n"
	})
}
