package command

import (
	"context"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func (c *cli) listCommand() *cobra.Command {
	var filters listFlags
	var limit *int64
	var cursor *string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists keys",
		Long: `Lists keys in the order of their IDs, or as --sort says, all of them unless flags
say less. A key is listed if all flags fit it. A key is live until it is revoked
or expires, also while it is disabled. Durations are in d, h and m, such as 30d.

--name finds part of a name, in upper or lower case. It also finds a key by the
beginning of its ID, or of its prefix as it stands in logs. --sort expires puts
keys last that never expire, --sort last-used those first that were never used.

Times are UTC. With --json the result is {"keys":[{…}],"next_cursor":""}; the
cursor is empty when nothing follows. Otherwise --cursor lists what follows, with
the same other flags.`,
		Example: `  $ caddy keygate list --workspace acme
  $ caddy keygate list --expiring 30d --sort expires
  $ caddy keygate list --idle 90d --sort last-used
  $ caddy keygate list --created-by ada@acme.example
  $ caddy keygate list --json | jq -r '.keys[] | select(.last_used_at == null) | .id'`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			query := filters.query()
			if cursor != nil {
				query.Set("cursor", *cursor)
			}
			return c.list(ctx, api, query, limit)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	filters.add(flags)
	flags.Var(numberFlag{&limit, "--limit", "1 or more"}, "limit", "At most so many keys (default all)")
	addCursor(flags, &cursor)
	refuseRepeats(cmd)
	c.completeFlags(cmd)
	return cmd
}

func (c *cli) list(ctx context.Context, api *client.Client, query url.Values, limit *int64) error {
	found, filtered := 0, len(query) > 0
	var printer pagePrinter[apikey.Record] = c.keyPages()
	if c.json {
		printer = &pageJSON[apikey.Record]{out: c.Out, field: "keys"}
	}
	next, err := eachPage(query, limit, func(query url.Values) (string, error) {
		var page adminapi.ListResponse
		if err := api.Call(ctx, http.MethodGet, "/keygate/keys?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		found += len(page.Keys)
		return page.NextCursor, printer.page(page.Keys)
	})
	if err == nil {
		err = printer.end(next)
	}
	if err == nil && found == 0 && !filtered && !c.json {
		c.tellStore(ctx, api)
	}
	return err
}

// tellStore says whose answer it was that there are no keys at all: it may be the
// wrong store.
func (c *cli) tellStore(ctx context.Context, api *client.Client) {
	var resp adminapi.HealthResponse
	if err := api.Call(ctx, http.MethodGet, adminapi.HealthPath, nil, &resp); err == nil && resp.Store.Place != "" {
		c.Note("%s", answered(resp))
	}
}

func (c *cli) keyPages() *pageTable[apikey.Record] {
	return &pageTable[apikey.Record]{
		Console: c.Console,
		table:   c.keyTable(),
		rows:    func(k *apikey.Record) [][]term.Cell { return [][]term.Cell{c.keyRow(k)} },
		what:    "keys",
	}
}
