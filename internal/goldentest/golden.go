// Package goldentest compares what tests make with files that somebody has looked
// at. `go test ./that/package -update` writes these files anew.
package goldentest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew; look at the difference before you commit it")

// Check fails the test unless got is what the file at path has.
func Check(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed: look at it, then run with -update\n%s", path, difference(got, string(want)))
	}
}

// difference shows two texts from the first line on in which they differ.
func difference(got, want string) string {
	gots, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
	same := 0
	for same < len(gots) && same < len(wants) && gots[same] == wants[same] {
		same++
	}
	some := func(lines []string) string {
		const most = 20
		return strings.Join(lines[same:min(len(lines), same+most)], "\n")
	}
	return "got\n" + some(gots) + "\nwant\n" + some(wants)
}

// Caddyfile is one of testdata/KIND/*.caddyfiletest, in the form of Caddy's own: a
// Caddyfile, a line of dashes, and what comes of it.
type Caddyfile struct {
	Path, Text string
	Want       string // what has come of it
}

const dashes = "----------\n"

// Caddyfiles returns those of a kind. There is at least one.
func Caddyfiles(t testing.TB, kind string) (files []Caddyfile) {
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
		caddyfile, want, ok := strings.Cut(string(text), dashes)
		if !ok {
			t.Fatalf("%s has no line %s", path, dashes)
		}
		files = append(files, Caddyfile{path, caddyfile, want})
	}
	return files
}

// Name is the name of the file.
func (c *Caddyfile) Name() string { return filepath.Base(c.Path) }

// Check fails the test unless got is what comes of the Caddyfile.
func (c *Caddyfile) Check(t testing.TB, got string) {
	t.Helper()
	Check(t, c.Path, c.Text+dashes+got)
}
