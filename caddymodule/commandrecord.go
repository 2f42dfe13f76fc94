package caddymodule

import (
	"fmt"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// describe shows a key to people, one setting a line.
func (c *console) describe(k *apikey.Record) []byte {
	now := c.now()
	var text []byte
	line := func(label, value string) { text = appendField(text, label, value, c.width) }

	line("ID", k.ID.String())
	line("Prefix", k.Prefix)
	line("Workspace", k.Workspace)
	line("Name", k.Name)
	if k.Description != "" {
		line("Description", k.Description)
	}
	line("Scopes", strings.Join(k.Scopes, ", "))
	line("Status", string(k.Status))
	line("Created", fullTime(&k.CreatedAt, now))
	line("Expires", fullTime(k.ExpiresAt, now))
	if k.RevokedAt != nil {
		line("Revoked", fullTime(k.RevokedAt, now))
	}
	line("Last used", fullTime(k.LastUsedAt, now))
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

// labelWidth is the column in which values begin.
const labelWidth = 13

// appendField writes a label and its value, which goes on below itself where
// the terminal is too narrow for it.
func appendField(text []byte, label, value string, width int) []byte {
	for _, part := range wrap(visible(value), width-labelWidth) {
		text = fmt.Appendf(text, "%-*s%s\n", labelWidth, label, part)
		label = ""
	}
	return text
}

// keyTable is the table of `caddy keygate list`. What a narrow terminal has no
// room for goes in this order: scopes, which need the most and which `show`
// has, last use, expiry, workspace, name, status.
func (c *console) keyTable() *table {
	return &table{
		columns: []column{
			{title: "KEY"},
			{title: "WORKSPACE", least: 9, rank: 3},
			{title: "NAME", least: 12, rank: 2},
			{title: "SCOPES", least: 12, rank: 6},
			{title: "STATUS", rank: 1},
			{title: "EXPIRES", rank: 4},
			{title: "LAST USED", rank: 5},
		},
		width:  c.width,
		colour: c.colour,
	}
}

func (c *console) keyRow(k *apikey.Record) []cell {
	now := c.now()
	return []cell{
		{text: k.Prefix},
		{text: k.Workspace},
		{text: k.Name},
		{text: strings.Join(k.Scopes, " ")},
		{text: string(k.Status), colour: statusColour(k.Status)},
		dateCell(k.ExpiresAt, now),
		dateCell(k.LastUsedAt, now),
	}
}

func dateCell(t *time.Time, now time.Time) cell {
	if t == nil {
		return cell{text: "never"}
	}
	beside := relativeTime(*t, now)
	return cell{text: t.UTC().Format(time.DateOnly) + " (" + beside + ")", short: beside}
}

func statusColour(s apikey.Status) string {
	switch s {
	case apikey.Active:
		return green
	case apikey.Disabled, apikey.Expired:
		return yellow
	case apikey.Revoked:
		return red
	default:
		return ""
	}
}
