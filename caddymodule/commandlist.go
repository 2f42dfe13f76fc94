package caddymodule

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func (c *cli) listCommand() *cobra.Command {
	var workspace, status *string
	var limit *int64
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists keys",
		Long: `Lists keys in the order of their IDs, all of them unless --limit says less.

Times are UTC. With --json the result is {"keys":[{…}],"next_cursor":""}; the
cursor is empty when nothing follows.`,
		Example: `  $ caddy keygate list --workspace acme
  $ caddy keygate list --status expired
  $ caddy keygate list --json | jq -r '.keys[] | select(.last_used_at == null) | .id'`,
		Args: noArgument,
		RunE: c.run(func(ctx context.Context, api *client, _ []string) error {
			query := url.Values{}
			if workspace != nil {
				query.Set("workspace", *workspace)
			}
			if status != nil {
				query.Set("status", *status)
			}
			if limit != nil && *limit < 1 {
				return &apikey.FieldError{Field: "--limit", Problem: strconv.FormatInt(*limit, 10) + " is out of range", Accepted: "1 or more"}
			}
			return c.list(ctx, api, query, limit)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(textFlag{&workspace, "workspace"}, "workspace", "Only keys of this workspace")
	flags.Var(textFlag{&status, "status"}, "status", "Only keys of this `status`: active, disabled, expired or revoked")
	flags.Var(numberFlag{&limit, "--limit", "1 or more"}, "limit", "At most so many keys (default all)")
	return cmd
}

// list prints page after page, so that a million keys need no more memory than
// a thousand.
func (c *cli) list(ctx context.Context, api *client, query url.Values, limit *int64) error {
	var printer listPrinter = &listTable{cli: c, table: c.keyTable()}
	if c.json {
		printer = &listJSON{out: c.out}
	}
	for {
		size := int64(keystore.MaxPage)
		if limit != nil {
			size = min(size, *limit)
			*limit -= size
		}
		query.Set("limit", strconv.FormatInt(size, 10))
		var page listResponse
		if err := api.call(ctx, http.MethodGet, "/keygate/keys?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		if err := printer.page(page.Keys); err != nil {
			return err
		}
		if page.NextCursor == "" || limit != nil && *limit <= 0 {
			return printer.end(page.NextCursor)
		}
		query.Set("cursor", page.NextCursor)
	}
}

// listPrinter prints a list that comes in pages. next is where it goes on, ""
// at the end.
type listPrinter interface {
	page([]apikey.Record) error
	end(next string) error
}

// listJSON writes the form of one answer of the admin API, however many it took.
type listJSON struct {
	out   io.Writer
	begun bool
}

func (p *listJSON) page(keys []apikey.Record) error {
	var text []byte
	for i := range keys {
		encoded, err := encodeJSON(&keys[i])
		if err != nil {
			return err
		}
		if p.begun {
			text = append(text, ",\n"...)
		} else {
			text = append(text, `{"keys":[`...)
		}
		p.begun = true
		text = append(text, encoded...)
	}
	_, err := p.out.Write(text)
	return err
}

func (p *listJSON) end(next string) error {
	text := `],"next_cursor":` + strconv.Quote(next) + "}\n"
	if !p.begun {
		text = `{"keys":[` + text
	}
	_, err := io.WriteString(p.out, text)
	return err
}

// listTable shows a page as rows of a table.
type listTable struct {
	*cli
	table *table
	shown int
}

func (p *listTable) page(keys []apikey.Record) error {
	if len(keys) == 0 {
		return nil
	}
	rows := make([][]cell, len(keys))
	for i := range keys {
		rows[i] = p.keyRow(&keys[i])
	}
	p.shown += len(keys)
	return p.table.write(p.out, rows)
}

func (p *listTable) end(next string) error {
	switch {
	case p.shown == 0:
		p.note("no keys")
	case next != "":
		p.note("more keys follow; raise --limit to see them")
	}
	return nil
}
