package caddymodule

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/socialpatra/keygate/internal/adapttest"
	"github.com/socialpatra/keygate/internal/goldentest"
)

// adapt runs Caddy's own Caddyfile adapter, on a file in testdata: imports are
// relative to it. The folder of this package is not in what it returns.
func adapt(t *testing.T, caddyfile string) (string, []caddyconfig.Warning, error) {
	t.Helper()
	t.Setenv("KEYGATE_HEADER", "X-From-Env")
	t.Setenv("KEYGATE_SCOPE", "posts:read")
	out, warnings, err := adapttest.Adapt(t, "testdata/Caddyfile", caddyfile)
	if err != nil {
		return "", nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out, here+"/", ""), warnings, nil
}

func TestAdapt(t *testing.T) {
	for _, file := range goldentest.Caddyfiles(t, "adapt") {
		t.Run(file.Name(), func(t *testing.T) {
			got, warnings, err := adapt(t, file.Text)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 { // that caddy fmt would change it, for one
				t.Errorf("adapts with warnings: %v", warnings)
			}
			file.Check(t, got)
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
	for _, file := range goldentest.Caddyfiles(t, "mistakes") {
		t.Run(file.Name(), func(t *testing.T) {
			out, _, err := adapt(t, file.Text)
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
			file.Check(t, got+"\n")
		})
	}
}

// The Caddyfiles of these pages are whole, and formatted.
func TestPagesAdapt(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```caddyfile\n(.*?)```")
	for page, n := range map[string]int{"composition.md": 3, "authorization-endpoint.md": 3, "openapi.md": 3, "webhooks.md": 1} {
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
