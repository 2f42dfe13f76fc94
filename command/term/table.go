package term

import (
	"fmt"
	"io"
	"strings"
)

// Table prints rows under titles, as wide as their values or as the terminal. The
// first rows printed determine the widths, and later rows keep them. The first
// column is never cut, because people copy it.
type Table struct {
	Columns []Column
	Width   int // columns of the terminal; 0: unlimited
	Colour  bool

	shown  []int // indexes of the columns that fit; nil before settle
	widths []int // by index of a column
	short  bool  // dates in their short form
}

type Column struct {
	Title string
	Least int // the width down to which values may be cut; 0: they are never cut
	Rank  int // the column with the highest rank is left out first
}

// Cell is one value. It is escaped when shown, so it may contain anything.
type Cell struct {
	Text   string
	Short  string // for narrow terminals; "": same as the text
	Colour string
	Paint  func(rune) string // the colour of each character, instead of one for all; nil: one for all
}

// Colours of ANSI terminals.
const (
	Red    = "\x1b[31m"
	Green  = "\x1b[32m"
	Yellow = "\x1b[33m"

	ColourEnd = "\x1b[0m"
)

const ColumnGap = 2

func (t *Table) Write(out io.Writer, rows [][]Cell) error {
	var text strings.Builder
	if t.shown == nil {
		t.settle(rows)
		titles := make([]Cell, len(t.Columns))
		for i, c := range t.Columns {
			titles[i].Text = c.Title
		}
		t.writeRow(&text, titles)
	}
	for _, row := range rows {
		t.writeRow(&text, row)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (t *Table) writeRow(text *strings.Builder, row []Cell) {
	pad := 0
	for n, i := range t.shown {
		value := row[i].shown(t.short)
		if t.Width > 0 && n > 0 && DisplayWidth(value) > t.widths[i] {
			value = cut(row[i].shown(true), t.widths[i])
		}
		if n > 0 && value != "" {
			fmt.Fprintf(text, "%*s", pad+ColumnGap, "")
			pad = 0
		} else if n > 0 {
			pad += ColumnGap
		}
		if t.Colour {
			text.WriteString(row[i].painted(value))
		} else {
			text.WriteString(value)
		}
		pad += max(0, t.widths[i]-DisplayWidth(value))
	}
	text.WriteByte('\n')
}

func (c Cell) shown(short bool) string {
	if short && c.Short != "" {
		return Visible(c.Short)
	}
	return Visible(c.Text)
}

// painted adds colours to a value.
func (c Cell) painted(value string) string {
	if c.Paint == nil {
		return inColour(c.Colour, value)
	}
	var text, run strings.Builder
	colour := ""
	for _, r := range value {
		if next := c.Paint(r); next != colour {
			text.WriteString(inColour(colour, run.String()))
			run.Reset()
			colour = next
		}
		run.WriteRune(r)
	}
	return text.String() + inColour(colour, run.String())
}

func inColour(colour, text string) string {
	if colour == "" || text == "" {
		return text
	}
	return colour + text + ColourEnd
}

// settle chooses columns and widths. Dates stay long while cut values keep one
// and a half times their least width. After that dates become short, and then
// columns are left out.
func (t *Table) settle(rows [][]Cell) {
	for i := range t.Columns {
		t.shown = append(t.shown, i)
	}
	for {
		for _, t.short = range []bool{false, true} {
			t.widths = t.natural(rows)
			if t.Width <= 0 || t.squeeze() {
				return
			}
		}
		if len(t.shown) == 1 {
			return
		}
		t.leaveOut()
	}
}

// natural returns the widths at which no value is cut.
func (t *Table) natural(rows [][]Cell) []int {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = DisplayWidth(c.Title)
		for _, row := range rows {
			widths[i] = max(widths[i], DisplayWidth(row[i].shown(t.short)))
		}
	}
	return widths
}

// squeeze narrows the widest column until the table fits, and reports whether it
// does.
func (t *Table) squeeze() bool {
	excess := -ColumnGap - t.Width
	for _, i := range t.shown {
		excess += t.widths[i] + ColumnGap
	}
	for ; excess > 0; excess-- {
		widest := -1
		for _, i := range t.shown {
			least := t.Columns[i].Least
			if !t.short {
				least += least / 2
			}
			if least > 0 && t.widths[i] > least && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		t.widths[widest]--
	}
	return true
}

func (t *Table) leaveOut() {
	highest := 0
	for n, i := range t.shown {
		if t.Columns[i].Rank > t.Columns[t.shown[highest]].Rank {
			highest = n
		}
	}
	t.shown = append(t.shown[:highest], t.shown[highest+1:]...)
}
