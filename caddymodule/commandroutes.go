package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/access"
)

func (c *cli) routesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "routes [CONFIG]",
		Short: "Shows which requests pass, and what they need",
		Long: `Shows the routes of the running config, or with a config file those that it
would have, read from there and from its OpenAPI documents without a Caddy that
runs: the methods, the path, the scopes that a key needs (| between those that
are enough by themselves), what a request costs, and the file and line that say
so. Below are operations of documents that nobody may call, with the reason.
What no line names is denied as well.`,
		Example: `  $ caddy keygate routes
  $ caddy keygate routes ./Caddyfile
  $ caddy keygate routes --json | jq -r '.routes[] | select(.access == "public") | .path'`,
		Args: atMostOneConfig,
		RunE: c.run(func(ctx context.Context, api *client, args []string) error {
			resp, err := c.routes(ctx, api, args)
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(resp)
			}
			return c.printRoutes(resp)
		}),
	}
}

func (c *cli) routes(ctx context.Context, api *client, args []string) (*routesResponse, error) {
	if len(args) > 0 {
		gateways, err := readConfig(args[0], c.target.adapter)
		if err != nil {
			return nil, err
		}
		resp := routesOf(gateways)
		return &resp, nil
	}
	if c.target.db != "" {
		return nil, errors.New("a store has no routes; name a config file in place of --db, or ask a running Caddy")
	}
	var resp routesResponse
	return &resp, api.Call(ctx, http.MethodGet, RoutesPath, nil, &resp)
}

func atMostOneConfig(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return usageError(cmd, "%s takes one config file, but was given %d", cmd.Name(), len(args))
}

// printRoutes tells gateways apart only where there are several.
func (c *cli) printRoutes(resp *routesResponse) error {
	columns := []column{{title: "METHODS"}, {title: "PATH", least: 20}, {title: "NEEDS", least: 16}, {title: "COST", rank: 1}, {title: "FROM", least: 16, rank: 2}}
	several := len(resp.Routes) > 0 && resp.Routes[len(resp.Routes)-1].Gateway > 1
	if several {
		columns = append([]column{{title: "GATEWAY"}}, columns...)
	}
	var rows [][]cell
	row := func(gateway int, cells ...cell) {
		if several {
			cells = append([]cell{{text: strconv.Itoa(gateway)}}, cells...)
		}
		rows = append(rows, cells)
	}
	for i := range resp.Routes {
		r := &resp.Routes[i]
		needs := cell{text: access.Scopes(r.Scopes).String()}
		switch r.Access {
		case string(access.Public):
			needs = cell{text: "(public)", colour: yellow}
		case string(access.Authenticated):
			needs = cell{text: "(any key)"}
		case string(access.Denied):
			needs = cell{text: "(denied)"}
		}
		if r.WebSocket {
			needs.text += " websocket"
		}
		row(r.Gateway, cell{text: strings.Join(r.Methods, ",")}, cell{text: r.Path}, needs, cell{text: strconv.Itoa(r.Cost)}, origin(r.Source, r.TakenBy, r.NotReached))
	}
	t := &table{columns: columns, width: c.width, colour: c.colour}
	if err := t.write(c.out, rows); err != nil {
		return err
	}
	return c.printDenied(resp.Denied)
}

// origin shows where a route is from, and what comes before it.
func origin(source string, takenBy []string, notReached bool) cell {
	switch taken := strings.Join(takenBy, ", "); {
	case taken == "":
		return cell{text: source}
	case notReached:
		return cell{text: source + " (never reached: " + taken + ")", short: source, colour: yellow}
	default:
		return cell{text: source + " (after " + taken + ")", short: source, colour: yellow}
	}
}

func (c *cli) printDenied(denied []deniedOperation) error {
	if len(denied) == 0 {
		return nil
	}
	if err := c.say(""); err != nil {
		return err
	}
	var rows [][]cell
	for _, op := range denied {
		rows = append(rows, []cell{{text: op.Method}, {text: op.Path}, {text: op.Problem}, origin(op.Source, op.TakenBy, false)})
	}
	columns := []column{{title: "DENIED"}, {title: "PATH", least: 20}, {title: "WHY", least: 20}, {title: "FROM", least: 16, rank: 1}}
	t := &table{columns: columns, width: c.width, colour: c.colour}
	return t.write(c.out, rows)
}
