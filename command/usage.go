package command

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
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
		RunE: c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
			query := ""
			if days != nil {
				query = "?" + url.Values{"days": {strconv.FormatInt(*days, 10)}}.Encode()
			}
			var resp adminapi.UsageResponse
			if err := api.Call(ctx, http.MethodGet, keyPath(id)+"/usage"+query, nil, &resp); err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(resp)
			}
			return c.printUsage(resp.Days)
		}),
	}
	cmd.Flags().Var(numberFlag{&days, "--days", "1 to 400"}, "days", "The last so many `days`, 1 to 400 (default 30)")
	c.completeFlags(cmd)
	return cmd
}

// everyDay fills in the days without use, from the first day with use until
// today.
func everyDay(used []adminapi.DayUsage, today time.Time) ([]adminapi.DayUsage, error) {
	if len(used) == 0 {
		return nil, nil
	}
	day, err := time.Parse(time.DateOnly, used[0].Date)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	var days []adminapi.DayUsage
	for ; len(used) > 0 || !day.After(today); day = day.AddDate(0, 0, 1) {
		date := day.Format(time.DateOnly)
		if len(used) > 0 && used[0].Date <= date {
			days = append(days, used[0])
			used = used[1:]
			continue
		}
		days = append(days, adminapi.DayUsage{Date: date})
	}
	return days, nil
}

// Characters that tell the parts of a bar apart without colour.
const (
	markAllowed = '█'
	markLimited = '▒'
	markDenied  = '░'
)

var usageColumns = []term.Column{
	{Title: "DAY"},
	{Title: "ALLOWED " + string(markAllowed)},
	{Title: "LIMITED " + string(markLimited)},
	{Title: "DENIED " + string(markDenied)},
	{},
}

func (c *cli) printUsage(used []adminapi.DayUsage) error {
	days, err := everyDay(used, c.Now().UTC())
	if err != nil {
		return err
	}
	if len(days) == 0 {
		c.Note("no use on these days")
		return nil
	}
	t := &term.Table{Columns: usageColumns, Width: c.Width, Colour: c.Colour}
	room := barRoom(days, c.Width)
	var most uint64
	for _, d := range days {
		most = max(most, d.Allowed+d.Limited+d.Denied)
	}
	rows := make([][]term.Cell, len(days))
	for i, d := range days {
		rows[i] = []term.Cell{
			{Text: d.Date},
			{Text: strconv.FormatUint(d.Allowed, 10)},
			{Text: strconv.FormatUint(d.Limited, 10)},
			{Text: strconv.FormatUint(d.Denied, 10)},
			{Text: string(bar(d, most, room)), Paint: barColour},
		}
	}
	if room == 0 {
		t.Columns = t.Columns[:len(t.Columns)-1]
	}
	return t.Write(c.Out, rows)
}

// barRoom returns how many columns the longest bar may take. That is what the
// numbers leave of the terminal, or 0 if that is too little to be useful.
func barRoom(days []adminapi.DayUsage, width int) int {
	const (
		usual = 40
		least = 8
	)
	if width <= 0 {
		return usual
	}
	room := width - len(time.DateOnly)
	for i, column := range usageColumns[1:4] {
		widest := term.DisplayWidth(column.Title)
		for _, d := range days {
			widest = max(widest, len(strconv.FormatUint(countsOf(d)[i], 10)))
		}
		room -= widest + term.ColumnGap
	}
	room -= term.ColumnGap
	if room < least {
		return 0
	}
	return room
}

// countsOf returns the counts in the order of the columns.
func countsOf(d adminapi.DayUsage) [3]uint64 { return [3]uint64{d.Allowed, d.Limited, d.Denied} }

// bar draws a day. The busiest day takes about room columns. Each part that is not
// zero takes at least one column, at the cost of the longest part.
func bar(d adminapi.DayUsage, most uint64, room int) []rune {
	var parts [3]int
	sum, longest := 0, 0
	for i, n := range countsOf(d) {
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
		return term.Green
	case markLimited:
		return term.Yellow
	case markDenied:
		return term.Red
	default:
		return ""
	}
}
