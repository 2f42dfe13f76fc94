package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
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
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			resp, err := c.routes(ctx, api, args)
			if err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(resp)
			}
			return c.printRoutes(resp)
		}),
	}
}

func (c *cli) routes(ctx context.Context, api *client.Client, args []string) (*adminapi.RoutesResponse, error) {
	if len(args) > 0 {
		mappings, err := readConfig(args[0], c.target.adapter)
		if err != nil {
			return nil, err
		}
		resp := adminapi.RoutesOf(mappings)
		return &resp, nil
	}
	if c.target.db != "" {
		return nil, errors.New("a store has no routes; name a config file in place of --db, or ask a running Caddy")
	}
	var resp adminapi.RoutesResponse
	return &resp, api.Call(ctx, http.MethodGet, adminapi.RoutesPath, nil, &resp)
}

func atMostOneConfig(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return usageError(cmd, "%s takes one config file, but was given %d", cmd.Name(), len(args))
}

// printRoutes numbers the mappings only if there are several.
func (c *cli) printRoutes(resp *adminapi.RoutesResponse) error {
	columns := []term.Column{{Title: "METHODS"}, {Title: "PATH", Least: 20}, {Title: "NEEDS", Least: 16}, {Title: "COST", Rank: 1}, {Title: "FROM", Least: 16, Rank: 2}}
	several := len(resp.Routes) > 0 && resp.Routes[len(resp.Routes)-1].Gateway > 1
	if several {
		columns = append([]term.Column{{Title: "GATEWAY"}}, columns...)
	}
	var rows [][]term.Cell
	row := func(gateway int, cells ...term.Cell) {
		if several {
			cells = append([]term.Cell{{Text: strconv.Itoa(gateway)}}, cells...)
		}
		rows = append(rows, cells)
	}
	for i := range resp.Routes {
		r := &resp.Routes[i]
		needs := term.Cell{Text: access.Scopes(r.Scopes).String()}
		switch r.Access {
		case string(access.Public):
			needs = term.Cell{Text: "(public)", Colour: term.Yellow}
		case string(access.Authenticated):
			needs = term.Cell{Text: "(any key)"}
		case string(access.Denied):
			needs = term.Cell{Text: "(denied)"}
		}
		if r.WebSocket {
			needs.Text += " websocket"
		}
		row(r.Gateway, term.Cell{Text: strings.Join(r.Methods, ",")}, term.Cell{Text: r.Path}, needs, term.Cell{Text: strconv.Itoa(r.Cost)}, origin(r.Source, r.TakenBy, r.TakenByOthers, r.NotReached))
	}
	t := &term.Table{Columns: columns, Width: c.Width, Colour: c.Colour}
	if err := t.Write(c.Out, rows); err != nil {
		return err
	}
	if err := c.printModes(resp); err != nil {
		return err
	}
	return c.printDenied(resp.Denied)
}

// printModes says of each gateway what else decides there.
func (c *cli) printModes(resp *adminapi.RoutesResponse) (err error) {
	for i := range resp.Routes {
		r := &resp.Routes[i]
		if i > 0 && resp.Routes[i-1].Gateway == r.Gateway {
			continue
		}
		if r.Mode != "" {
			err = errors.Join(err, c.Say(""), c.Say("Gateway %d is in mode report: nothing of this is enforced, only keys that have ended are refused.", r.Gateway))
		}
		if r.Foreign != "" {
			err = errors.Join(err, c.Say(""), c.Say("Gateway %d has foreign pass: requests without a key pass too, to all that is not denied.", r.Gateway))
		}
	}
	return err
}

// origin says where a route was written, and which routes come before it.
func origin(source string, takenBy []string, others int, notReached bool) term.Cell {
	taken := strings.Join(takenBy, ", ")
	if taken != "" && others > 0 {
		taken += fmt.Sprintf(" and %d more", others)
	}
	switch {
	case taken == "":
		return term.Cell{Text: source}
	case notReached:
		return term.Cell{Text: source + " (never reached: " + taken + ")", Short: source, Colour: term.Yellow}
	default:
		return term.Cell{Text: source + " (after " + taken + ")", Short: source, Colour: term.Yellow}
	}
}

func (c *cli) printDenied(denied []adminapi.DeniedOperation) error {
	if len(denied) == 0 {
		return nil
	}
	if err := c.Say(""); err != nil {
		return err
	}
	var rows [][]term.Cell
	for _, op := range denied {
		rows = append(rows, []term.Cell{{Text: op.Method}, {Text: op.Path}, {Text: op.Problem}, origin(op.Source, op.TakenBy, op.TakenByOthers, false)})
	}
	columns := []term.Column{{Title: "DENIED"}, {Title: "PATH", Least: 20}, {Title: "WHY", Least: 20}, {Title: "FROM", Least: 16, Rank: 1}}
	t := &term.Table{Columns: columns, Width: c.Width, Colour: c.Colour}
	return t.Write(c.Out, rows)
}
