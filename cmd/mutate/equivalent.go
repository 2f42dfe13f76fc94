package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// equivalents are the mutants known to change nothing, by file, text of the line,
// and fault. Line numbers would soon be wrong.
type equivalents map[string]bool

func equivalentKey(file, line, fault string) string {
	return file + "\x00" + strings.TrimSpace(line) + "\x00" + fault
}

func (e equivalents) has(m *mutant) bool {
	return e[equivalentKey(m.file.short, m.line(), m.fault)] || e[equivalentKey(m.file.short, m.line(), "any")]
}

// readEquivalent reads the tables of a Markdown file with the columns file, line,
// fault and reason. The first three are in backquotes, doubled if a line contains
// some, and a bar is written as \|. The fault "any" stands for all faults of a
// line. The file need not exist.
func readEquivalent(name string) (equivalents, error) {
	e := make(equivalents)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	n := 0
	for row := range strings.Lines(string(text)) {
		n++
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		cells := splitRow(row)
		if len(cells) != 4 || strings.Trim(cells[3], " -") == "" {
			return nil, fmt.Errorf("%s:%d: a row has a file, a line, a fault and a reason", name, n)
		}
		for i := range 3 {
			cells[i] = unquote(cells[i])
		}
		e[equivalentKey(cells[0], cells[1], cells[2])] = true
	}
	return e, nil
}

// splitRow splits a table row at its bars.
func splitRow(row string) []string {
	const bar = "\x00"
	row = strings.ReplaceAll(strings.TrimSpace(row), `\|`, bar)
	cells := strings.Split(strings.Trim(row, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], bar, "|"))
	}
	return cells
}

// unquote removes the backquotes of a Markdown code span.
func unquote(s string) string {
	if inner, ok := strings.CutPrefix(s, "`` "); ok {
		return strings.TrimSuffix(inner, " ``")
	}
	return strings.Trim(s, "`")
}
