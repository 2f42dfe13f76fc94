package command

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/keystore"
)

// answering is a server that gives one answer to everything.
func answering(t *testing.T, status int, answer any) (address string) {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write(text)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestCommandUsage(t *testing.T) {
	address := answering(t, http.StatusOK, adminapi.UsageResponse{Days: []adminapi.DayUsage{
		{Date: "2026-11-20", Allowed: 812, Limited: 3, Denied: 1},
		{Date: "2026-11-22", Allowed: 100, Limited: 300},
		{Date: "2026-11-23", Denied: 1},
	}})
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"no terminal", 0, `
DAY         ALLOWED █  LIMITED ▒  DENIED ░
2026-11-20  812        3          1         ██████████████████████████████████████▒░
2026-11-21  0          0          0
2026-11-22  100        300        0         █████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
2026-11-23  0          0          1         ░
`},
		{"terminal", 60, `
DAY         ALLOWED █  LIMITED ▒  DENIED ░
2026-11-20  812        3          1         ██████████████▒░
2026-11-21  0          0          0
2026-11-22  100        300        0         ██▒▒▒▒▒▒
2026-11-23  0          0          1         ░
`},
		{"no room for bars", 50, `
DAY         ALLOWED █  LIMITED ▒  DENIED ░
2026-11-20  812        3          1
2026-11-21  0          0          0
2026-11-22  100        300        0
2026-11-23  0          0          1
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := person{width: test.width}.mustRun(t, "usage", "7Hk2Qp9aX3bC", "--address", address)
			if "\n"+got != test.want {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
		})
	}
	coloured := person{width: 60, colour: true}.mustRun(t, "usage", "7Hk2Qp9aX3bC", "--address", address)
	if want := term.Green + "██████████████" + term.ColourEnd + term.Yellow + "▒" + term.ColourEnd + term.Red + "░" + term.ColourEnd; !strings.Contains(coloured, want) {
		t.Errorf("no %q in %q", want, coloured)
	}
}

func TestBarFits(t *testing.T) {
	for _, d := range []adminapi.DayUsage{
		{Allowed: 1, Limited: 1, Denied: 1},
		{Allowed: math.MaxUint64 / 3, Limited: math.MaxUint64 / 3, Denied: math.MaxUint64 / 3},
		{Allowed: 1_000_000, Limited: 1, Denied: 1},
		{Limited: 5},
	} {
		for room := 3; room < 90; room++ {
			got := string(bar(d, d.Allowed+d.Limited+d.Denied, room))
			if term.DisplayWidth(got) > room {
				t.Errorf("%+v takes %d of %d columns", d, term.DisplayWidth(got), room)
			}
			for i, mark := range []rune{markAllowed, markLimited, markDenied} {
				if shown := strings.ContainsRune(got, mark); shown != (countsOf(d)[i] > 0) {
					t.Errorf("%+v in %d columns: %s", d, room, got)
				}
			}
		}
	}
}

func TestCommandAudit(t *testing.T) {
	id := sampleID("7Hk2Qp9aX3bC")
	address := answering(t, http.StatusOK, adminapi.AuditResponse{Entries: []keystore.AuditEntry{
		{Seq: 9, Key: id, Action: "(damaged entry)"},
		{Seq: 8, At: cliNow.Add(-2 * time.Hour), Via: "unix /run/caddy/admin.sock", Action: "update", Key: id, Changes: map[string]keystore.Change{
			"expires_at": {From: nil, To: "2027-01-01T00:00:00Z"},
			"limits":     {From: map[string]any{"per_minute": 60, "burst": 60}, To: map[string]any{"per_minute": 1_000_000, "burst": 60}},
			"name":       {From: "\x1b]0;pwn\a", To: "a\u202eb"},
		}},
		{Seq: 7, At: cliNow.Add(-50 * time.Hour), Via: "api 127.0.0.1:51234", By: "Ada", Claimed: true, Action: "create", Key: id, Changes: map[string]keystore.Change{
			"scopes": {From: nil, To: []string{"posts:read", "posts:write"}},
		}},
	}})
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"no terminal", 0, `
WHEN                              ACTION           KEY           CHANGED                                                         WHO
unknown                           (damaged entry)  7Hk2Qp9aX3bC
2026-11-23 10:00:00 (2 h ago)     update           7Hk2Qp9aX3bC  expires_at: never → 2027-01-01T00:00:00Z                        unix /run/caddy/admin.sock
                                                                 limits: burst 60, per_minute 60 → burst 60, per_minute 1000000
                                                                 name: \x1b]0;pwn\a → a\u202eb
2026-11-21 10:00:00 (2 days ago)  create           7Hk2Qp9aX3bC  scopes: none → posts:read posts:write                           Ada (claimed), api 127.0.0.1:51234
`},
		{"ordinary", 80, `
WHEN        ACTION           KEY           CHANGED                   WHO
unknown     (damaged entry)  7Hk2Qp9aX3bC
2 h ago     update           7Hk2Qp9aX3bC  expires_at: never → 202…  unix /run/…
                                           limits: burst 60, per_m…
                                           name: \x1b]0;pwn\a → a\…
2 days ago  create           7Hk2Qp9aX3bC  scopes: none → posts:re…  Ada (claim…
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := person{width: test.width}.mustRun(t, "audit", "--address", address)
			if "\n"+got != test.want {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
		})
	}
}

func TestCommandCheckFindsDamage(t *testing.T) {
	answer := adminapi.CheckResponse{Keys: 3, Damaged: []adminapi.DamagedRecord{{Key: "7Hk2Qp9aX3bC", Problem: "its checksum does not match"}, {Key: "audit \x1b7", Problem: "is cut short"}}}
	address := answering(t, http.StatusOK, answer)
	o := person{}.run("check", "--address", address)
	want := `
KEY           PROBLEM
7Hk2Qp9aX3bC  its checksum does not match
audit \x1b7   is cut short
`
	if !o.failed || "\n"+o.stdout != want || !strings.HasPrefix(o.stderr, "Error: 2 records are damaged; ") {
		t.Errorf("%+v", o)
	}
	o = person{}.run("check", "--json", "--address", address)
	var got adminapi.CheckResponse
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil || !o.failed || len(got.Damaged) != 2 || got.Keys != 3 {
		t.Errorf("--json: %+v, %v", o, err)
	}
}

func TestCommandEnableSaysWhatStays(t *testing.T) {
	record := sampleRecord()
	record.Status = apikey.Expired
	o := person{}.run("enable", "7Hk2Qp9aX3bC", "--address", answering(t, http.StatusOK, record))
	if o.failed || o.stderr != "the key is expired, and its requests are refused all the same\n" {
		t.Errorf("%+v", o)
	}
}

func TestPrintUnknownScopes(t *testing.T) {
	var out bytes.Buffer
	c := &cli{Console: &term.Console{Out: &out}}
	id := sampleID("7Hk2Qp9aX3bC")
	err := c.printScopes(&adminapi.ScopesResponse{
		Scopes: []adminapi.ScopeInfo{{Scope: "posts:read", Description: "Read posts", Known: true}},
		Unknown: []adminapi.HeldScope{
			{Scope: "old:scope", Keys: []apikey.ID{id}, Count: 1},
			{Scope: "x:y", Keys: []apikey.ID{id, id, id, id}, Count: 250},
		},
	})
	want := `
SCOPE       DESCRIPTION
posts:read  Read posts

UNKNOWN SCOPE  KEYS  HELD BY
old:scope      1     7Hk2Qp9aX3bC
x:y            250   7Hk2Qp9aX3bC 7Hk2Qp9aX3bC 7Hk2Qp9aX3bC …
`
	if got := "\n" + out.String(); got != want || err != nil {
		t.Errorf("got %s want %s; %v", got, want, err)
	}
}
