package caddymodule

import (
	"strings"
	"testing"
)

// Later pages keep the columns of the first, whatever they hold.
func TestTableKeepsItsWidths(t *testing.T) {
	var out strings.Builder
	table := &table{columns: []column{{title: "A"}, {title: "B", least: 3, rank: 1}, {title: "C", rank: 2}}, width: 20}
	for _, row := range [][]cell{
		{{text: "a"}, {text: "bbbb"}, {text: "never"}},
		{{text: "a"}, {text: "bbbbbbbbbbbb"}, {text: "2026-11-26 (in 3 days)", short: "3 d"}},
		{{text: "a"}, {text: ""}, {text: "in 3 days"}},
	} {
		if err := table.write(&out, [][]cell{row}); err != nil {
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
