package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/apikey"
)

func (c *cli) usageCommand() *cobra.Command {
	var days *int64
	cmd := &cobra.Command{
		Use:   "usage <id>",
		Short: "Shows how much a key was used, day by day",
		Long: `Shows how many requests of a key, named by its ID or prefix, were allowed, were
refused by a limit, and were denied for another reason after authentication.
Days are UTC; those before the first with any use are left out.

With --json the result is {"days":[{"date":"…","allowed":0,"limited":0,"denied":0}]},
without the days of no use.`,
		Example: `  $ caddy keygate usage 7Hk2Qp9aX3bC
  $ caddy keygate usage 7Hk2Qp9aX3bC --days 400 --json | jq '[.days[].allowed] | add'`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE: c.runOn(func(ctx context.Context, api *client, id apikey.ID) error {
			query := ""
			if days != nil {
				query = "?" + url.Values{"days": {strconv.FormatInt(*days, 10)}}.Encode()
			}
			var resp usageResponse
			if err := api.Call(ctx, http.MethodGet, keyPath(id)+"/usage"+query, nil, &resp); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(resp)
			}
			return c.printUsage(resp.Days)
		}),
	}
	cmd.Flags().Var(numberFlag{&days, "--days", "1 to 400"}, "days", "The last so many `days`, 1 to 400 (default 30)")
	c.completeFlags(cmd)
	return cmd
}

// everyDay adds the days without use, from the first with any until today.
func everyDay(used []dayUsage, today time.Time) ([]dayUsage, error) {
	if len(used) == 0 {
		return nil, nil
	}
	day, err := time.Parse(time.DateOnly, used[0].Date)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	var days []dayUsage
	for ; len(used) > 0 || !day.After(today); day = day.AddDate(0, 0, 1) {
		date := day.Format(time.DateOnly)
		if len(used) > 0 && used[0].Date <= date {
			days = append(days, used[0])
			used = used[1:]
			continue
		}
		days = append(days, dayUsage{Date: date})
	}
	return days, nil
}

// Marks that tell the parts of a bar apart without colour.
const (
	markAllowed = '█'
	markLimited = '▒'
	markDenied  = '░'
)

var usageColumns = []column{
	{title: "DAY"},
	{title: "ALLOWED " + string(markAllowed)},
	{title: "LIMITED " + string(markLimited)},
	{title: "DENIED " + string(markDenied)},
	{},
}

func (c *cli) printUsage(used []dayUsage) error {
	days, err := everyDay(used, c.now().UTC())
	if err != nil {
		return err
	}
	if len(days) == 0 {
		c.note("no use on these days")
		return nil
	}
	t := &table{columns: usageColumns, width: c.width, colour: c.colour}
	room := barRoom(days, c.width)
	var most uint64
	for _, d := range days {
		most = max(most, d.Allowed+d.Limited+d.Denied)
	}
	rows := make([][]cell, len(days))
	for i, d := range days {
		rows[i] = []cell{
			{text: d.Date},
			{text: strconv.FormatUint(d.Allowed, 10)},
			{text: strconv.FormatUint(d.Limited, 10)},
			{text: strconv.FormatUint(d.Denied, 10)},
			{text: string(bar(d, most, room)), paint: barColour},
		}
	}
	if room == 0 {
		t.columns = t.columns[:len(t.columns)-1]
	}
	return t.write(c.out, rows)
}

// barRoom returns how many columns the longest bar may take: what the numbers
// leave of the terminal, 0 where that is too little to see anything.
func barRoom(days []dayUsage, width int) int {
	const (
		usual = 40
		least = 8
	)
	if width <= 0 {
		return usual
	}
	room := width - len(time.DateOnly)
	for i, column := range usageColumns[1:4] {
		widest := displayWidth(column.title)
		for _, d := range days {
			widest = max(widest, len(strconv.FormatUint(d.counts()[i], 10)))
		}
		room -= widest + columnGap
	}
	room -= columnGap
	if room < least {
		return 0
	}
	return room
}

// counts are in the order of the columns.
func (d dayUsage) counts() [3]uint64 { return [3]uint64{d.Allowed, d.Limited, d.Denied} }

// bar draws a day, where most requests in a day take room columns. Whatever
// happened at all takes at least one, at the cost of the longest part.
func bar(d dayUsage, most uint64, room int) []rune {
	var parts [3]int
	sum, longest := 0, 0
	for i, n := range d.counts() {
		if n == 0 {
			continue
		}
		parts[i] = max(1, int(float64(n)/float64(most)*float64(room)+0.5))
		sum += parts[i]
		if parts[i] > parts[longest] {
			longest = i
		}
	}
	if sum > room {
		parts[longest] = max(0, parts[longest]-(sum-room))
	}
	var text []rune
	for i, mark := range [...]rune{markAllowed, markLimited, markDenied} {
		for range parts[i] {
			text = append(text, mark)
		}
	}
	return text
}

func barColour(mark rune) string {
	switch mark {
	case markAllowed:
		return green
	case markLimited:
		return yellow
	case markDenied:
		return red
	default:
		return ""
	}
}
