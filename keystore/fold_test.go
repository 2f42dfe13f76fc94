package keystore

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Letters become the same if and only if they differ in case alone.
func TestFold(t *testing.T) {
	for r := range rune(unicode.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue
		}
		folded := foldRune(r)
		if !strings.EqualFold(string(r), string(folded)) || foldRune(folded) != folded {
			t.Errorf("%U becomes %U", r, folded)
		}
		if other := unicode.SimpleFold(r); foldRune(other) != folded {
			t.Errorf("%U becomes %U, and %U %U", r, folded, other, foldRune(other))
		}
	}
	for text, want := range map[string]string{
		"": "", "Zapier 2": "zapier 2", "\u212AELVIN": "kelvin", "ſ": "s", "ÄRGER": "Ärger"[:2] + "rger", "日本": "日本", "a\xffB": "a\ufffdb",
	} {
		if got := string(appendFold(nil, []byte(text))); got != want {
			t.Errorf("%q becomes %q; want %q", text, got, want)
		}
	}
	if got := string(appendFold([]byte("X"), []byte("Y"))); got != "Xy" {
		t.Errorf("appended to X: %q", got)
	}
}
