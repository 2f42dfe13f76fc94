package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// findings is a list that grows.
type findings []Finding

func (f *findings) add(code Code, where, format string, args ...any) {
	*f = append(*f, Finding{Code: code, Where: where, Problem: oneLine(fmt.Sprintf(format, args...))})
}

// sorted returns the findings by file, line and code. Two gateways with the
// same document find the same in it.
func (f *findings) sorted() []Finding {
	slices.SortFunc(*f, func(a, b Finding) int {
		return cmp.Or(
			access.CompareSources(a.Where, b.Where),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Problem, b.Problem),
		)
	})
	return slices.Compact(*f)
}

// oneLine escapes line ends and other control characters, which paths and
// scopes of documents may have.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, isControl) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isControl(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isControl is true for C0, DEL, C1 and the two separators of lines.
func isControl(r rune) bool {
	return r < ' ' || '\x7f' <= r && r <= '\u009f' || r == '\u2028' || r == '\u2029'
}
