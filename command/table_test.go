package command

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
)

func sampleRecords() []apikey.Record {
	second := fullRecord()
	second.ID, second.Prefix = sampleID("9zzzzzzzzzzz"), "patra_9zzzzzzzzzzz"
	second.Workspace = "umbrella-corporation"
	used := cliNow.Add(-40 * 24 * time.Hour)
	second.LastUsedAt = &used
	third := sampleRecord()
	third.ID, third.Prefix = sampleID("AAAAAAAAAAAA"), "patra_AAAAAAAAAAAA"
	third.Name = "日本語の名前です"
	expired := cliNow.Add(-50 * time.Hour)
	third.Status, third.ExpiresAt = apikey.Expired, &expired
	return []apikey.Record{sampleRecord(), second, third}
}

func listed(width int, colour bool) string {
	var out strings.Builder
	c := &cli{Console: &term.Console{Out: &out, Width: width, Colour: colour, Now: func() time.Time { return cliNow }}}
	p := c.keyPages()
	if err := p.page(sampleRecords()); err != nil {
		panic(err)
	}
	return out.String()
}

func TestListTable(t *testing.T) {
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"no terminal", 0, `
KEY                 WORKSPACE             NAME                       SCOPES                    STATUS   EXPIRES                  LAST USED
patra_7Hk2Qp9aX3bC  acme                  Zapier - product launches  media:upload posts:write  active   2026-11-26 (in 3 days)   2026-11-23 (2 h ago)
patra_9zzzzzzzzzzz  umbrella-corporation  \x1b]0;pwn\a               media:upload posts:write  revoked  never                    2026-10-14 (40 days ago)
patra_AAAAAAAAAAAA  acme                  日本語の名前です           media:upload posts:write  expired  2026-11-21 (2 days ago)  2026-11-23 (2 h ago)
`},
		{"wide", 136, `
KEY                 WORKSPACE         NAME                SCOPES              STATUS   EXPIRES                  LAST USED
patra_7Hk2Qp9aX3bC  acme              Zapier - product…   media:upload post…  active   2026-11-26 (in 3 days)   2026-11-23 (2 h ago)
patra_9zzzzzzzzzzz  umbrella-corpor…  \x1b]0;pwn\a        media:upload post…  revoked  never                    2026-10-14 (40 days ago)
patra_AAAAAAAAAAAA  acme              日本語の名前です    media:upload post…  expired  2026-11-21 (2 days ago)  2026-11-23 (2 h ago)
`},
		{"ordinary", 80, `
KEY                 WORKSPACE     NAME          STATUS   EXPIRES     LAST USED
patra_7Hk2Qp9aX3bC  acme          Zapier - pr…  active   in 3 days   2 h ago
patra_9zzzzzzzzzzz  umbrella-co…  \x1b]0;pwn\a  revoked  never       40 days ago
patra_AAAAAAAAAAAA  acme          日本語の名…   expired  2 days ago  2 h ago
`},
		{"narrow", 50, `
KEY                 NAME                   STATUS
patra_7Hk2Qp9aX3bC  Zapier - product lau…  active
patra_9zzzzzzzzzzz  \x1b]0;pwn\a           revoked
patra_AAAAAAAAAAAA  日本語の名前です       expired
`},
		{"tiny", 10, `
KEY
patra_7Hk2Qp9aX3bC
patra_9zzzzzzzzzzz
patra_AAAAAAAAAAAA
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := listed(test.width, false)
			if "\n"+got != test.want {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
			for line := range strings.Lines(got) {
				line = strings.TrimSuffix(line, "\n")
				if test.width > 18 && term.DisplayWidth(line) > test.width {
					t.Errorf("%d columns: %q", term.DisplayWidth(line), line)
				}
				if strings.HasSuffix(line, " ") {
					t.Errorf("spaces at the end of %q", line)
				}
			}
		})
	}
}

func TestListTableColour(t *testing.T) {
	plain, coloured := listed(80, false), listed(80, true)
	for _, want := range []string{term.Green + "active" + term.ColourEnd, term.Red + "revoked" + term.ColourEnd, term.Yellow + "expired" + term.ColourEnd} {
		if !strings.Contains(coloured, want) {
			t.Errorf("no %q in %q", want, coloured)
		}
	}
	for _, colour := range []string{term.Red, term.Green, term.Yellow, term.ColourEnd} {
		coloured = strings.ReplaceAll(coloured, colour, "")
	}
	if coloured != plain {
		t.Errorf("colours change more than colours:\n%s\n%s", coloured, plain)
	}
}

func TestPrintScopes(t *testing.T) {
	scopes := []adminapi.ScopeInfo{
		{Scope: "posts:read", Description: "Read posts", Known: true, Routes: []string{"GET /v1/posts", "GET /v1/posts/{id}"}},
		{Scope: "posts:write", Description: "Write posts", Known: true},
		{Scope: "own:scope", Routes: []string{"GET /\x1b"}},
	}
	tests := []struct {
		name   string
		scopes []adminapi.ScopeInfo
		want   string
	}{
		{"running config", scopes, `
SCOPE        DESCRIPTION             ROUTES
posts:read   Read posts              GET /v1/posts
                                     GET /v1/posts/{id}
posts:write  Write posts             (none)
own:scope    (not in the catalogue)  GET /\x1b
`},
		{"offline", scopes[1:2], `
SCOPE        DESCRIPTION
posts:write  Write posts
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			c := &cli{Console: &term.Console{Out: &out}}
			if err := c.printScopes(&adminapi.ScopesResponse{Scopes: test.scopes}); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != test.want {
				t.Errorf("got %s want %s", got, test.want)
			}
		})
	}
}

// Whatever the values and the width, a table holds nothing that steers a
// terminal, and is no wider than it, but for the first column.
func FuzzTable(f *testing.F) {
	f.Add("name", "a:b", 80)
	f.Add("\x1b[2J\u202e", "日本語", 40)
	f.Add(strings.Repeat("x", 300), "\xff", 3)
	f.Fuzz(func(t *testing.T, name, scope string, width int) {
		width %= 300
		c := &cli{Console: &term.Console{Width: width, Now: func() time.Time { return cliNow }}}
		record := sampleRecord()
		record.Name, record.Scopes = name, []string{scope}
		table := c.keyTable()
		var out strings.Builder
		if err := table.Write(&out, [][]term.Cell{c.keyRow(&record)}); err != nil {
			t.Fatal(err)
		}
		if strings.Count(out.String(), "\n") != 2 {
			t.Errorf("not two lines: %q", out.String())
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, term.IsUnsafe) || !utf8.ValidString(line) {
				t.Errorf("unsafe: %q", line)
			}
			if width > 18 && term.DisplayWidth(line) > width {
				t.Errorf("%d columns of %d: %q", term.DisplayWidth(line), width, line)
			}
		}
	})
}

func BenchmarkListTable(b *testing.B) {
	c := &cli{Console: &term.Console{Width: 120, Now: func() time.Time { return cliNow }}}
	records := make([]apikey.Record, 1000)
	for i := range records {
		records[i] = sampleRecord()
	}
	p := c.keyPages()
	c.Out = io.Discard
	b.ReportAllocs()
	for b.Loop() {
		if err := p.page(records); err != nil {
			b.Fatal(err)
		}
	}
}
