package plugin_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/attacks.md names tests for the doors that its tables have no rows for. Those
// tests exist.
func TestAttacksNameTests(t *testing.T) {
	there := make(map[string]bool)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(readFile(t, "docs/attacks.md"), -1)
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("docs/attacks.md names %s, which is no test", m[1])
		}
	}
	if len(named) < 20 {
		t.Errorf("docs/attacks.md names %d tests", len(named))
	}
}
