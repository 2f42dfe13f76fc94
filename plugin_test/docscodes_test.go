package plugin_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/lint"
)

// The codes of lint are in the lists of the page and of the command, and no others
// are: each constant, whether it is of lint or of the reader of documents.
func TestListsOfCodesAreWhole(t *testing.T) {
	t.Parallel()
	var codes []string
	for _, code := range lint.Codes() {
		codes = append(codes, string(code))
	}
	slices.Sort(codes)
	_, page, _ := strings.Cut(readFile(t, "docs/openapi.md"), "\n| code | what it means |")
	page, _, _ = strings.Cut(page, "\n\n")
	constants := readFile(t, "access/lint/lint.go")
	for name, tt := range map[string]struct{ text, pattern string }{
		"the page":      {page, "(?m)^\\| `([a-z_]+)` \\|"},
		"the command":   {readFile(t, "command/lint.go"), `(?m)^  ([a-z_]+)  +\S`},
		"the constants": {constants, `Code = "([a-z_]+)"`},
	} {
		var found []string
		for _, m := range regexp.MustCompile(tt.pattern).FindAllStringSubmatch(tt.text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		if !slices.Equal(found, codes) {
			t.Errorf("%s has %q, want %q", name, found, codes)
		}
	}
	for _, m := range regexp.MustCompile(`Kind = "([a-z_]+)"`).FindAllStringSubmatch(readFile(t, "access/openapi/document.go"), -1) {
		if !slices.Contains(codes, m[1]) {
			t.Errorf("the kind %s of package openapi is no code of lint", m[1])
		}
	}
}
