package term

import (
	"strings"
	"testing"
)

// Later pages keep the columns of the first, whatever they hold.
func TestTableKeepsItsWidths(t *testing.T) {
	var out strings.Builder
	table := &Table{Columns: []Column{{Title: "A"}, {Title: "B", Least: 3, Rank: 1}, {Title: "C", Rank: 2}}, Width: 20}
	for _, row := range [][]Cell{
		{{Text: "a"}, {Text: "bbbb"}, {Text: "never"}},
		{{Text: "a"}, {Text: "bbbbbbbbbbbb"}, {Text: "2026-11-26 (in 3 days)", Short: "3 d"}},
		{{Text: "a"}, {Text: ""}, {Text: "in 3 days"}},
	} {
		if err := table.Write(&out, [][]Cell{row}); err != nil {
			t.Fatal(err)
		}
	}
	want := `
A  B     C
a  bbbb  never
a  bbb…  3 d
a        in 3…
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got %s want %s", got, want)
	}
}
