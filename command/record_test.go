package command

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
)

func sampleID(s string) apikey.ID {
	id, err := apikey.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

func sampleRecord() apikey.Record {
	expires := cliNow.Add(72 * time.Hour)
	used := cliNow.Add(-2 * time.Hour)
	return apikey.Record{
		ID:             sampleID("7Hk2Qp9aX3bC"),
		Prefix:         "patra_7Hk2Qp9aX3bC",
		Workspace:      "acme",
		Name:           "Zapier - product launches",
		Scopes:         []string{"media:upload", "posts:write"},
		Status:         apikey.Active,
		CreatedAt:      cliNow.Add(-90 * 24 * time.Hour),
		ExpiresAt:      &expires,
		LastUsedAt:     &used,
		Limits:         apikey.Limits{PerMinute: 60, PerDay: 10000, Burst: 20},
		AllowedOrigins: []string{},
		AllowedIPs:     []string{},
	}
}

func fullRecord() apikey.Record {
	r := sampleRecord()
	revoked := cliNow.Add(-30 * time.Second)
	r.Name = "\x1b]0;pwn\x07"
	r.Description = "of the old system\u202e"
	r.Status = apikey.Revoked
	r.ExpiresAt, r.LastUsedAt, r.RevokedAt = nil, nil, &revoked
	r.AllowedOrigins = []string{"https://shop.example", "https://*.partner.example"}
	r.AllowedIPs = []string{"203.0.113.7", "2001:db8::/32"}
	r.RotatedFrom, r.ReplacedBy = sampleID("7Hk2Qp9aX3bA"), sampleID("7Hk2Qp9aX3bD")
	return r
}

func TestDescribe(t *testing.T) {
	tests := []struct {
		name   string
		record apikey.Record
		width  int
		want   string
	}{
		{"few settings", sampleRecord(), 0, `
ID           7Hk2Qp9aX3bC
Prefix       patra_7Hk2Qp9aX3bC
Workspace    acme
Name         Zapier - product launches
Scopes       media:upload, posts:write
Status       active
Created      2026-08-25 12:00:00 UTC (3 months ago)
Expires      2026-11-26 12:00:00 UTC (in 3 days)
Last used    2026-11-23 10:00:00 UTC (2 h ago)
Limits       60 per minute, 20 at once, 10000 per day
Origins      any
IPs          any
`},
		{"all settings, narrow", fullRecord(), 40, `
ID           7Hk2Qp9aX3bC
Prefix       patra_7Hk2Qp9aX3bC
Workspace    acme
Name         \x1b]0;pwn\a
Description  of the old system\u202e
Scopes       media:upload, posts:write
Status       revoked
Created      2026-08-25 12:00:00 UTC (3
             months ago)
Expires      never
Revoked      2026-11-23 11:59:30 UTC
             (just now)
Last used    never
Limits       60 per minute, 20 at once,
             10000 per day
Origins      https://shop.example,
             https://*.partner.example
IPs          203.0.113.7, 2001:db8::/32
Replaces     7Hk2Qp9aX3bA
Replaced by  7Hk2Qp9aX3bD
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &cli{Console: &term.Console{Width: test.width, Now: func() time.Time { return cliNow }}}
			if got := "\n" + string(c.describe(&test.record)); got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestPrintToken(t *testing.T) {
	resp := adminapi.TokenResponse{Key: sampleRecord(), Token: someToken}
	printed := func(quiet, asJSON bool) string {
		var out strings.Builder
		c := &cli{Console: &term.Console{Out: &out, Now: func() time.Time { return cliNow }}, json: asJSON}
		if err := c.printToken(resp, quiet); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	t.Run("people", func(t *testing.T) {
		want := `Created a key for workspace acme.

ID           7Hk2Qp9aX3bC
Prefix       patra_7Hk2Qp9aX3bC
Workspace    acme
Name         Zapier - product launches
Scopes       media:upload, posts:write
Status       active
Created      2026-08-25 12:00:00 UTC (3 months ago)
Expires      2026-11-26 12:00:00 UTC (in 3 days)
Last used    2026-11-23 10:00:00 UTC (2 h ago)
Limits       60 per minute, 20 at once, 10000 per day
Origins      any
IPs          any

` + someToken + `

The line above is the token. It is shown only now: keep it like a password.
Clients send it with every request, in the header
Authorization: Bearer YOUR_TOKEN
`
		if got := printed(false, false); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("quiet", func(t *testing.T) {
		if got := printed(true, false); got != someToken+"\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		var got adminapi.TokenResponse
		if err := json.Unmarshal([]byte(printed(false, true)), &got); err != nil || got.Token != someToken || got.Key.ID != resp.Key.ID {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("nowhere to write", func(t *testing.T) {
		c := &cli{Console: &term.Console{Out: fullDisk{}, Now: time.Now}}
		err := c.printToken(resp, false)
		if err == nil || !strings.Contains(err.Error(), "7Hk2Qp9aX3bC exists") || strings.Contains(err.Error(), someToken) {
			t.Errorf("error %v", err)
		}
	})
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }
