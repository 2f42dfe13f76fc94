package plugin_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// attack is a row of docs/attacks.md, which explains how to read one.
type attack struct {
	Line      int // in the file
	Request   wireRequest
	NoKey     bool
	Protocols []string // h1, h2, h3
	Site      string   // "" is the usual one
	Outcome   string   // such as "400 ambiguous_path" or "passes"
	Seen      []string // at the backend: a target, or "Name: value"
}

var (
	codeSpan   = regexp.MustCompile("`([^`]*)`")
	tableCells = regexp.MustCompile(`(?:[^|\\]|\\.)+`)
)

// readAttacks reads the rows of all tables of a Markdown file.
func readAttacks(t testing.TB, file string) (attacks []attack) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		a, err := parseAttack(line)
		if err != nil {
			t.Fatalf("%s:%d: %v: %s", file, i+1, err, line)
		}
		a.Line = i + 1
		attacks = append(attacks, a)
	}
	return attacks
}

func parseAttack(line string) (a attack, err error) {
	cells := tableCells.FindAllString(strings.Trim(line, "|"), -1)
	if len(cells) != 4 || strings.TrimSpace(cells[3]) == "" {
		return a, fmt.Errorf("%d cells, want request, on, must happen and why", len(cells))
	}
	request, err := spans(cells[0])
	if err != nil {
		return a, err
	}
	if a.Seen, err = spans(cells[2]); err != nil {
		return a, err
	}
	a.Outcome = strings.Join(strings.Fields(codeSpan.ReplaceAllString(cells[2], "")), " ")
	a.Request.Method, a.Request.Target, _ = strings.Cut(request[0], " ")
	for _, line := range request[1:] {
		a.add(line)
	}
	for word := range strings.FieldsSeq(cells[1]) {
		if word == "h1" || word == "h2" || word == "h3" {
			a.Protocols = append(a.Protocols, word)
		} else {
			a.Site = word
		}
	}
	switch {
	case strings.HasSuffix(a.Site, "unix"):
		a.Protocols = []string{"h1"}
	case a.Protocols == nil:
		a.Protocols = []string{"h1", "h2", "h3"}
	}
	return a, nil
}

func (a *attack) add(line string) {
	if line == "(no key)" {
		a.NoKey = true
		return
	}
	if body, ok := strings.CutPrefix(line, "(body) "); ok {
		a.Request.Body = body
		return
	}
	fields := &a.Request.Fields
	if trailer, ok := strings.CutPrefix(line, "(trailer) "); ok {
		line, fields = trailer, &a.Request.Trailers
	}
	name, value := line, ""
	if i := strings.Index(line[1:], ":"); i >= 0 { // a pseudo-header begins with a colon
		name, value = line[:i+1], strings.TrimPrefix(line[i+2:], " ")
	}
	*fields = append(*fields, wireField{name, value})
}

// spans returns the code in a cell, with escapes as in Go strings decoded.
func spans(cell string) (texts []string, err error) {
	for _, match := range codeSpan.FindAllStringSubmatch(cell, -1) {
		text := strings.NewReplacer(`\|`, `|`, `"`, `\"`).Replace(match[1])
		if text, err = strconv.Unquote(`"` + text + `"`); err != nil {
			return nil, fmt.Errorf("%q: %w", match[1], err)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// with fills in what the table names with a dollar sign, and the key that a
// request carries unless it says otherwise.
func (a *attack) with(names *strings.Replacer) attack {
	fill := func(fields []wireField) (out []wireField, key bool) {
		for _, f := range fields {
			out = append(out, wireField{names.Replace(f.Name), names.Replace(f.Value)})
			key = key || slices.Contains([]string{"authorization", "x-api-key"}, strings.ToLower(f.Name))
		}
		return out, key
	}
	filled := *a
	var key bool
	filled.Request.Fields, key = fill(filled.Request.Fields)
	filled.Request.Trailers, _ = fill(filled.Request.Trailers)
	filled.Request.Target = names.Replace(filled.Request.Target)
	filled.Request.Body = names.Replace(filled.Request.Body)
	if !key && !filled.NoKey {
		filled.Request.Fields = append(filled.Request.Fields, wireField{"Authorization", names.Replace("Bearer $KEY")})
	}
	return filled
}
