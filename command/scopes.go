package command

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func (c *cli) scopesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scopes",
		Short: "Lists the scopes that a key can have, and what they open",
		Long: `Lists the catalogue of scopes, and the scopes that only the running config knows,
with the routes that need them: (none) where a scope opens nothing. Below, if
there are any, the scopes that keys hold and that neither of the two knows: they
open nothing, and may be misspelt. A scope grants only itself: posts:write does
not imply posts:read. With --db no config runs, and no routes are shown.`,
		Example: `  $ caddy keygate scopes
  $ caddy keygate scopes --json | jq -r '.unknown[] | .scope, .keys[]'`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			var resp adminapi.ScopesResponse
			if err := api.Call(ctx, http.MethodGet, adminapi.ScopesPath, nil, &resp); err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(resp)
			}
			return c.printScopes(&resp)
		}),
	}
}

// printScopes gives each route a line of its own, below the first.
func (c *cli) printScopes(resp *adminapi.ScopesResponse) error {
	anyRoute := slices.ContainsFunc(resp.Scopes, func(info adminapi.ScopeInfo) bool { return len(info.Routes) > 0 })
	var rows [][]term.Cell
	for _, info := range resp.Scopes {
		description := info.Description
		if !info.Known {
			description = "(not in the catalogue)"
		}
		first := []term.Cell{{Text: info.Scope}, {Text: description}, {Text: "(none)", Colour: term.Yellow}}
		rows = append(rows, first)
		for i, route := range info.Routes {
			if i == 0 {
				first[2] = term.Cell{Text: route}
			} else {
				rows = append(rows, []term.Cell{{}, {}, {Text: route}})
			}
		}
	}
	columns := []term.Column{{Title: "SCOPE"}, {Title: "DESCRIPTION", Least: 12, Rank: 1}, {Title: "ROUTES", Least: 12, Rank: 2}}
	if !anyRoute {
		columns = columns[:2]
	}
	t := &term.Table{Columns: columns, Width: c.Width, Colour: c.Colour}
	if err := t.Write(c.Out, rows); err != nil || len(resp.Unknown) == 0 {
		return err
	}
	return c.printUnknown(resp.Unknown)
}

// printUnknown shows some of the keys that hold each scope; --json shows more.
func (c *cli) printUnknown(unknown []adminapi.HeldScope) error {
	const shown = 3
	var rows [][]term.Cell
	for _, u := range unknown {
		var ids []string
		for _, id := range u.Keys[:min(shown, len(u.Keys))] {
			ids = append(ids, id.String())
		}
		if u.Count > len(ids) {
			ids = append(ids, "…")
		}
		rows = append(rows, []term.Cell{{Text: u.Scope}, {Text: strconv.Itoa(u.Count)}, {Text: strings.Join(ids, " ")}})
	}
	if _, err := fmt.Fprintln(c.Out); err != nil {
		return err
	}
	t := &term.Table{Columns: []term.Column{{Title: "UNKNOWN SCOPE"}, {Title: "KEYS"}, {Title: "HELD BY", Least: 12, Rank: 1}}, Width: c.Width, Colour: c.Colour}
	return t.Write(c.Out, rows)
}
