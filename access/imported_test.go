package access

import (
	"errors"
	"strings"
	"testing"
)

// importedTable makes a table of lines "METHOD pattern"; those that begin with
// + are imported.
func importedTable(t *testing.T, lines ...string) *Table {
	t.Helper()
	table, err := newImportedTable(lines...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func newImportedTable(lines ...string) (*Table, error) {
	var routes []Route
	for _, line := range lines {
		line, imported := strings.CutPrefix(line, "+")
		method, pattern, _ := strings.Cut(line, " ")
		routes = append(routes, Route{Methods: strings.Split(method, ","), Pattern: pattern, Access: Authenticated, Imported: imported})
	}
	return NewTable(routes)
}

func TestWrittenRoutesComeFirst(t *testing.T) {
	tests := map[string]struct {
		routes  []string
		request string
		want    string // "": none
	}{
		"the same":                        {[]string{"GET /a", "+GET /a"}, "GET /a", "GET /a"},
		"the same, written last":          {[]string{"+GET /a", "GET /a"}, "GET /a", "GET /a"},
		"the same with another name":      {[]string{"GET /{x}", "+GET /{y}"}, "GET /a", "GET /{x}"},
		"imported where none is written":  {[]string{"GET /a", "+GET /b"}, "GET /b", "+GET /b"},
		"more specific but imported":      {[]string{"GET /a/*", "+GET /a/b"}, "GET /a/b", "GET /a/*"},
		"more specific method, imported":  {[]string{"* /a", "+GET /a"}, "GET /a", "* /a"},
		"HEAD follows the written GET":    {[]string{"GET /a", "+HEAD /a"}, "HEAD /a", "GET /a"},
		"another method":                  {[]string{"POST /a", "+GET /a"}, "GET /a", "+GET /a"},
		"only imported":                   {[]string{"+GET /a/{b}"}, "GET /a/c", "+GET /a/{b}"},
		"beside a slash":                  {[]string{"GET /a/", "+GET /a"}, "GET /a", "+GET /a"},
		"beside another case":             {[]string{"GET /A", "+GET /a"}, "GET /a", "+GET /a"},
		"written literal in another case": {[]string{"GET /a", "+GET /{x}"}, "GET /A", ""},
		"imported literal, other case":    {[]string{"+GET /a", "+GET /{x}"}, "GET /A", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.request, " ")
			got := ""
			if r := importedTable(t, tt.routes...).Match(method, path); r != nil {
				got = r.String()
				if r.Imported {
					got = "+" + got
				}
			}
			if got != tt.want {
				t.Errorf("Match = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestImportedTwice(t *testing.T) {
	_, err := newImportedTable("+GET /a/{b}", "+GET /a/{c}")
	var wrong *RouteError
	if !errors.As(err, &wrong) || !strings.Contains(wrong.Problem, "is mapped already, by route 1") {
		t.Errorf("NewTable = %v", err)
	}
}
