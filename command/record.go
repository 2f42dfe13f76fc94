package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
)

// describe formats a key for people, one setting a line.
func (c *cli) describe(k *apikey.Record) []byte {
	now := c.Now()
	var text []byte
	line := func(label, value string) { text = appendField(text, label, value, c.Width) }

	line("ID", k.ID.String())
	line("Prefix", k.Prefix)
	line("Workspace", k.Workspace)
	line("Name", k.Name)
	if k.Description != "" {
		line("Description", k.Description)
	}
	line("Scopes", strings.Join(k.Scopes, ", "))
	line("Status", string(k.Status))
	line("Created", term.FullTime(&k.CreatedAt, now))
	if k.CreatedBy != "" {
		line("Created by", k.CreatedBy)
	}
	line("Expires", term.FullTime(k.ExpiresAt, now))
	if k.RevokedAt != nil {
		line("Revoked", term.FullTime(k.RevokedAt, now))
	}
	line("Last used", term.FullTime(k.LastUsedAt, now))
	line("Limits", fmt.Sprintf("%d per minute, %d at once, %d per day", k.Limits.PerMinute, k.Limits.Burst, k.Limits.PerDay))
	line("Origins", anyOr(k.AllowedOrigins))
	line("IPs", anyOr(k.AllowedIPs))
	if !k.RotatedFrom.IsZero() {
		line("Replaces", k.RotatedFrom.String())
	}
	if !k.ReplacedBy.IsZero() {
		line("Replaced by", k.ReplacedBy.String())
	}
	return text
}

func anyOr(list []string) string {
	if len(list) == 0 {
		return "any"
	}
	return strings.Join(list, ", ")
}

// labelWidth is the column in which values start.
const labelWidth = 13

// appendField appends a label and its value. The value wraps if the terminal is
// too narrow.
func appendField(text []byte, label, value string, width int) []byte {
	for _, part := range term.Wrap(term.Visible(value), width-labelWidth) {
		text = fmt.Appendf(text, "%-*s%s\n", labelWidth, label, part)
		label = ""
	}
	return text
}

// keyTable is the table of `caddy keygate list`. A narrow terminal leaves out
// columns in this order: scopes, which need the most room and which `show` has
// too, last use, expiry, workspace, name, status.
func (c *cli) keyTable() *term.Table {
	return &term.Table{
		Columns: []term.Column{
			{Title: "KEY"},
			{Title: "WORKSPACE", Least: 9, Rank: 3},
			{Title: "NAME", Least: 12, Rank: 2},
			{Title: "SCOPES", Least: 12, Rank: 6},
			{Title: "STATUS", Rank: 1},
			{Title: "EXPIRES", Rank: 4},
			{Title: "LAST USED", Rank: 5},
		},
		Width:  c.Width,
		Colour: c.Colour,
	}
}

func (c *cli) keyRow(k *apikey.Record) []term.Cell {
	now := c.Now()
	return []term.Cell{
		{Text: k.Prefix},
		{Text: k.Workspace},
		{Text: k.Name},
		{Text: strings.Join(k.Scopes, " ")},
		{Text: string(k.Status), Colour: statusColour(k.Status)},
		dateCell(k.ExpiresAt, now),
		dateCell(k.LastUsedAt, now),
	}
}

func dateCell(t *time.Time, now time.Time) term.Cell {
	if t == nil {
		return term.Cell{Text: "never"}
	}
	beside := term.RelativeTime(*t, now)
	return term.Cell{Text: t.UTC().Format(time.DateOnly) + " (" + beside + ")", Short: beside}
}

func statusColour(s apikey.Status) string {
	switch s {
	case apikey.Active:
		return term.Green
	case apikey.Disabled, apikey.Expired:
		return term.Yellow
	case apikey.Revoked:
		return term.Red
	default:
		return ""
	}
}
