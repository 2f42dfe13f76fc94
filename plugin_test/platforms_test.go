package plugin_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What depends on the system: a file for some systems, or a question for which.
var (
	systemFile     = regexp.MustCompile(`_(linux|unix|windows|darwin|freebsd|other)\.go$`)
	systemQuestion = regexp.MustCompile(`(?m)^//go:build .*\b(linux|unix|windows|darwin|freebsd|386|arm)\b|runtime\.GOOS|strconv\.IntSize`)
)

// docs/guarantees.md tells of each place where Keygate does something else on
// another system, and of no other.
func TestDocsTellWhatSystemsDoOtherwise(t *testing.T) {
	t.Parallel()
	_, table, ok := strings.Cut(readFile(t, "docs/guarantees.md"), "\n## Systems\n")
	if !ok {
		t.Fatal("docs/guarantees.md has no table of systems")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	told := make(map[string]bool)
	for _, m := range regexp.MustCompile("`([\\w/]+\\.go)`").FindAllStringSubmatch(table, -1) {
		told[m[1]] = true
	}
	there := make(map[string]bool)
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			// Measurements, and what only tests use.
			if slices.Contains([]string{"bench", "plugin_test", "internal/unotify", "internal/redis/redistest"}, path) || strings.HasPrefix(d.Name(), ".") && path != "." {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		if systemFile.MatchString(path) || systemQuestion.Match(text) {
			there[path] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(there)); !slices.Equal(got, want) {
		t.Errorf("docs/guarantees.md tells of %q, the code has %q", got, want)
	}
	if len(there) < 10 {
		t.Errorf("only %d places differ", len(there))
	}
}
