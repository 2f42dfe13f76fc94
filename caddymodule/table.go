package caddymodule

import (
	"fmt"
	"io"
	"strings"
)

// table writes rows under titles, as wide as their values or as a terminal is.
// The first rows that are written settle the widths; later ones keep them. The
// first column is what people copy, so it is never cut.
type table struct {
	columns []column
	width   int // columns of the terminal; 0: as wide as it takes
	colour  bool

	shown  []int // indexes of the columns that fit; nil until settled
	widths []int // by index of a column
	short  bool  // dates in their short form
}

type column struct {
	title string
	least int // the width down to which values are cut to make room; 0: they are not
	rank  int // the column of the highest rank is the first that is left out
}

// cell is one value. It is shown escaped, so it may hold anything.
type cell struct {
	text   string
	short  string // for narrow terminals; "": as text
	colour string
	paint  func(rune) string // the colour of each character, in place of one for all; nil: one for all
}

// Colours of ANSI terminals.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"

	colourEnd = "\x1b[0m"
)

const columnGap = 2

func (t *table) write(out io.Writer, rows [][]cell) error {
	var text strings.Builder
	if t.shown == nil {
		t.settle(rows)
		titles := make([]cell, len(t.columns))
		for i, c := range t.columns {
			titles[i].text = c.title
		}
		t.writeRow(&text, titles)
	}
	for _, row := range rows {
		t.writeRow(&text, row)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (t *table) writeRow(text *strings.Builder, row []cell) {
	pad := 0
	for n, i := range t.shown {
		value := row[i].shown(t.short)
		if t.width > 0 && n > 0 && displayWidth(value) > t.widths[i] {
			value = cut(row[i].shown(true), t.widths[i])
		}
		if n > 0 && value != "" {
			fmt.Fprintf(text, "%*s", pad+columnGap, "")
			pad = 0
		} else if n > 0 {
			pad += columnGap
		}
		if t.colour {
			text.WriteString(row[i].painted(value))
		} else {
			text.WriteString(value)
		}
		pad += max(0, t.widths[i]-displayWidth(value))
	}
	text.WriteByte('\n')
}

func (c cell) shown(short bool) string {
	if short && c.short != "" {
		return visible(c.short)
	}
	return visible(c.text)
}

// painted puts colours around the parts of a value that have one.
func (c cell) painted(value string) string {
	if c.paint == nil {
		return inColour(c.colour, value)
	}
	var text, run strings.Builder
	colour := ""
	for _, r := range value {
		if next := c.paint(r); next != colour {
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
	return colour + text + colourEnd
}

// settle chooses columns and widths. Long dates are worth it as long as cut
// values keep one and a half times their least width; then dates become short,
// and then columns are left out.
func (t *table) settle(rows [][]cell) {
	for i := range t.columns {
		t.shown = append(t.shown, i)
	}
	for {
		for _, t.short = range []bool{false, true} {
			t.widths = t.natural(rows)
			if t.width <= 0 || t.squeeze() {
				return
			}
		}
		if len(t.shown) == 1 {
			return
		}
		t.leaveOut()
	}
}

// natural returns the widths that all values fit into.
func (t *table) natural(rows [][]cell) []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = displayWidth(c.title)
		for _, row := range rows {
			widths[i] = max(widths[i], displayWidth(row[i].shown(t.short)))
		}
	}
	return widths
}

// squeeze takes from the widest column until the table fits, and reports
// whether it does.
func (t *table) squeeze() bool {
	excess := -columnGap - t.width
	for _, i := range t.shown {
		excess += t.widths[i] + columnGap
	}
	for ; excess > 0; excess-- {
		widest := -1
		for _, i := range t.shown {
			least := t.columns[i].least
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

func (t *table) leaveOut() {
	highest := 0
	for n, i := range t.shown {
		if t.columns[i].rank > t.columns[t.shown[highest]].rank {
			highest = n
		}
	}
	t.shown = append(t.shown[:highest], t.shown[highest+1:]...)
}
