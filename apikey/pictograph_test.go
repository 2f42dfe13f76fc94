package apikey

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	_ "embed"
)

//go:embed testdata/emoji-data.txt
var emojiData string

// Pictographs are what Unicode says, but for the helm symbol and what it has kept
// among alchemical symbols, geometric shapes and arrows, all of which are none yet.
func TestPictographs(t *testing.T) {
	want := make(map[rune]bool)
	for line := range strings.Lines(emojiData) {
		places, _, ok := strings.Cut(line, ";")
		if !ok {
			continue
		}
		var first, last rune
		if n, _ := fmt.Sscanf(places, "%X..%X", &first, &last); n == 1 {
			last = first
		}
		for r := first; r <= last; r++ {
			want[r] = r != 0x2388 && (r < 0x1f774 || r > 0x1f77f) && (r < 0x1f7d5 || r > 0x1f7df) && (r < 0x1f80c || r > 0x1f8ff)
		}
	}
	if len(want) < 3000 {
		t.Fatalf("the table has only %d characters", len(want))
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if got := isPictograph(r); got != want[r] {
			t.Errorf("%U is a pictograph: %t", r, got)
		}
	}
}
