package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
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
		RunE: c.run(func(ctx context.Context, api *client, _ []string) error {
			var resp scopesResponse
			if err := api.Call(ctx, http.MethodGet, ScopesPath, nil, &resp); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(resp)
			}
			return c.printScopes(&resp)
		}),
	}
}

// printScopes gives each route a line of its own, below the first.
func (c *cli) printScopes(resp *scopesResponse) error {
	anyRoute := slices.ContainsFunc(resp.Scopes, func(info scopeInfo) bool { return len(info.Routes) > 0 })
	var rows [][]cell
	for _, info := range resp.Scopes {
		description := info.Description
		if !info.Known {
			description = "(not in the catalogue)"
		}
		first := []cell{{text: info.Scope}, {text: description}, {text: "(none)", colour: yellow}}
		rows = append(rows, first)
		for i, route := range info.Routes {
			if i == 0 {
				first[2] = cell{text: route}
			} else {
				rows = append(rows, []cell{{}, {}, {text: route}})
			}
		}
	}
	columns := []column{{title: "SCOPE"}, {title: "DESCRIPTION", least: 12, rank: 1}, {title: "ROUTES", least: 12, rank: 2}}
	if !anyRoute {
		columns = columns[:2]
	}
	t := &table{columns: columns, width: c.width, colour: c.colour}
	if err := t.write(c.out, rows); err != nil || len(resp.Unknown) == 0 {
		return err
	}
	return c.printUnknown(resp.Unknown)
}

// printUnknown shows some of the keys that hold each scope; --json has more.
func (c *cli) printUnknown(unknown []heldScope) error {
	const shown = 3
	var rows [][]cell
	for _, u := range unknown {
		var ids []string
		for _, id := range u.Keys[:min(shown, len(u.Keys))] {
			ids = append(ids, id.String())
		}
		if u.Count > len(ids) {
			ids = append(ids, "…")
		}
		rows = append(rows, []cell{{text: u.Scope}, {text: strconv.Itoa(u.Count)}, {text: strings.Join(ids, " ")}})
	}
	if _, err := fmt.Fprintln(c.out); err != nil {
		return err
	}
	t := &table{columns: []column{{title: "UNKNOWN SCOPE"}, {title: "KEYS"}, {title: "HELD BY", least: 12, rank: 1}}, width: c.width, colour: c.colour}
	return t.write(c.out, rows)
}
