package access

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// convertChar is what programs do to a character that ignore case, simply or in
// full, or take compatible characters for the same.
var convertChar = []func(string) string{
	func(s string) string { return strings.Map(unicode.ToLower, s) },
	func(s string) string { return strings.Map(unicode.ToUpper, s) },
	cases.Fold().String,
	cases.Upper(language.Und).String,
	norm.NFC.String,
	norm.NFKC.String,
}

// madeASCII returns what up to two of them make of a character, if that is
// ASCII: in lower case, and each once.
func madeASCII(r rune) (all []string) {
	char := string(r)
	for _, one := range convertChar {
		once := one(char)
		if once == char {
			continue
		}
		for _, two := range convertChar {
			made := strings.ToLower(two(once))
			if strings.IndexFunc(made, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 && !slices.Contains(all, made) {
				all = append(all, made)
			}
		}
	}
	return all
}

// All characters that some backend makes ASCII are folded to that, or refused
// where it separates or ends paths.
func TestFoldKnowsAllLookalikes(t *testing.T) {
	known, refused := 0, 0
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		for _, made := range madeASCII(r) {
			path := "/a" + percent(string(r)) + "b"
			if strings.ContainsAny(made, `/\?#;%`) {
				if refused++; CheckPath(path) == "" {
					t.Errorf("%U passes; some make it %q", r, made)
				}
				continue
			}
			known++
			if got, ok := fold(make([]byte, 0, 32), path[1:], plusIsPlus); !ok || string(got) != "a"+made+"b" {
				t.Errorf("%U is folded to %q; some make it %q", r, got, made)
			}
		}
	}
	if known < 1000 || refused < 10 {
		t.Errorf("only %d characters are known, and %d refused", known, refused)
	}
}
