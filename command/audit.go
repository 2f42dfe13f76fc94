package command

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/expiry"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

func (c *cli) auditCommand() *cobra.Command {
	var key, cursor *string
	var limit *int64
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Shows who changed what, and when",
		Long: `Shows every change of keys, the newest first, all of them unless --key or --limit
say less: when it was made, which fields changed from what to what, why if
it leaked, who made it and which way it came. That a key expires in 30, 14, 7 days
or 1 is there as well, when the gateway announced it. A name is claimed if nobody
but the caller itself said so. Times are UTC. The history of a deleted key stays.

With --json the result is {"entries":[{…}],"next_cursor":""}; the cursor is empty
when nothing follows. Otherwise --cursor shows what follows, with the same --key.`,
		Example: `  $ caddy keygate audit --limit 20
  $ caddy keygate audit --key 7Hk2Qp9aX3bC
  $ caddy keygate audit --json | jq -c '.entries[] | select(.action == "revoke")'`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			query := url.Values{}
			if key != nil {
				id, err := apikey.ParseRef(*key)
				if err != nil {
					return err
				}
				query.Set("key", id.String())
			}
			if cursor != nil {
				query.Set("cursor", *cursor)
			}
			return c.audit(ctx, api, query, limit)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(textFlag{&key, "--key"}, "key", "Only changes of the key of this `id`")
	flags.Var(numberFlag{&limit, "--limit", "1 or more"}, "limit", "At most so many changes (default all)")
	addCursor(flags, &cursor)
	c.completeFlags(cmd)
	return cmd
}

func (c *cli) audit(ctx context.Context, api *client.Client, query url.Values, limit *int64) error {
	var printer pagePrinter[keystore.AuditEntry] = c.auditPages()
	if c.json {
		printer = &pageJSON[keystore.AuditEntry]{out: c.Out, field: "entries"}
	}
	next, err := eachPage(query, limit, func(query url.Values) (string, error) {
		var page adminapi.AuditResponse
		if err := api.Call(ctx, http.MethodGet, "/keygate/audit?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		return page.NextCursor, printer.page(page.Entries)
	})
	if err != nil {
		return err
	}
	return printer.end(next)
}

// auditPages is the table of `caddy keygate audit`. A narrow terminal first
// leaves out who made a change, and last what changed.
func (c *cli) auditPages() *pageTable[keystore.AuditEntry] {
	return &pageTable[keystore.AuditEntry]{
		Console: c.Console,
		table: &term.Table{
			Columns: []term.Column{
				{Title: "WHEN"},
				{Title: "ACTION", Rank: 2},
				{Title: "KEY", Rank: 3},
				{Title: "CHANGED", Least: 24, Rank: 1},
				{Title: "WHO", Least: 7, Rank: 4},
			},
			Width:  c.Width,
			Colour: c.Colour,
		},
		rows: c.auditRows,
		what: "changes",
	}
}

// auditRows gives each changed field a line of its own, below the first. A change
// is either of a key or of a workspace.
func (c *cli) auditRows(e *keystore.AuditEntry) [][]term.Cell {
	first := []term.Cell{auditTime(e.At, c.Now()), {Text: auditAction(e), Colour: actionColour(e.Action)}, {Text: e.Key.String() + e.Workspace}, {}, {Text: auditWho(e)}}
	rows := [][]term.Cell{first}
	for i, field := range slices.Sorted(maps.Keys(e.Changes)) {
		change := e.Changes[field]
		text := field + ": " + auditValue(field, change.From) + " → " + auditValue(field, change.To)
		if i == 0 {
			first[3].Text = text
		} else {
			rows = append(rows, []term.Cell{{}, {}, {}, {Text: text}, {}})
		}
	}
	return rows
}

// auditAction says what was done and, if the trail knows more, why.
func auditAction(e *keystore.AuditEntry) string {
	days, err := strconv.Atoi(strings.TrimSuffix(e.Reason, "d"))
	switch {
	case e.Action == expiry.Action && err == nil: // the gateway has announced it
		return "expires in " + english.Plural(days, "day")
	case e.Reason == "":
		return e.Action
	}
	return e.Action + " (" + e.Reason + ")"
}

// auditWho says who made a change, whether nobody but the caller said so, and
// which way it came.
func auditWho(e *keystore.AuditEntry) string {
	switch {
	case e.By == "":
		return e.Via
	case e.Claimed:
		return e.By + " (claimed), " + e.Via
	default:
		return e.By + ", " + e.Via
	}
}

func auditTime(at, now time.Time) term.Cell {
	if at.IsZero() {
		return term.Cell{Text: "unknown"} // the entry does not verify
	}
	beside := term.RelativeTime(at, now)
	return term.Cell{Text: at.UTC().Format(time.DateTime) + " (" + beside + ")", Short: beside}
}

// auditValue formats a value of a JSON record on one line.
func auditValue(field string, v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64) // not 1e+06
	case nil:
		if strings.HasSuffix(field, "_at") {
			return "never"
		}
		return "none"
	case string:
		if v == "" {
			return "none"
		}
		return v
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = auditValue("", v[i])
		}
		if len(texts) == 0 {
			return "none"
		}
		return strings.Join(texts, " ")
	case map[string]any:
		var texts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			texts = append(texts, name+" "+auditValue(name, v[name]))
		}
		return strings.Join(texts, ", ")
	default:
		return fmt.Sprint(v)
	}
}

func actionColour(action string) string {
	switch action {
	case "create", "enable", "import":
		return term.Green
	case "disable", "rotate", expiry.Action:
		return term.Yellow
	case "revoke", "delete":
		return term.Red
	default:
		return ""
	}
}
