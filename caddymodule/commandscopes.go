package caddymodule

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"
)

func (c *cli) scopesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scopes",
		Short: "Lists the scopes that a key can have, and what they open",
		Long: `Lists the catalogue of scopes, and the scopes that only the running config knows,
with the routes that need them. A scope grants only itself: posts:write does not
imply posts:read. With --db no config runs, and no routes are shown.`,
		Example: `  $ caddy keygate scopes
  $ caddy keygate scopes --json | jq -r '.scopes[].scope'`,
		Args: noArgument,
		RunE: c.run(func(ctx context.Context, api *client, _ []string) error {
			var resp scopesResponse
			if err := api.call(ctx, http.MethodGet, "/keygate/scopes", nil, &resp); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(resp)
			}
			return c.printScopes(resp.Scopes)
		}),
	}
}

// printScopes gives each route a line of its own, below the first.
func (c *cli) printScopes(scopes []scopeInfo) error {
	var rows [][]cell
	anyRoute := false
	for _, info := range scopes {
		description := info.Description
		if !info.Known {
			description = "(not in the catalogue)"
		}
		first := []cell{{text: info.Scope}, {text: description}, {}}
		rows = append(rows, first)
		for i, route := range info.Routes {
			anyRoute = true
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
	return t.write(c.out, rows)
}
