package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

func (c *cli) explainCommand() *cobra.Command {
	var method, path, origin, ip, at *string
	call := func(ctx context.Context, api *client, req explainRequest) error {
		set(&req.Method, method)
		set(&req.Path, path)
		set(&req.Origin, origin)
		set(&req.IP, ip)
		set(&req.At, at)
		var resp explainResponse
		if err := api.Call(ctx, http.MethodPost, ExplainPath, req, &resp); err != nil {
			return err
		}
		if c.json {
			return c.printJSON(resp)
		}
		return c.printExplanation(&resp)
	}
	byID := c.runOn(func(ctx context.Context, api *client, id apikey.ID) error {
		return call(ctx, api, explainRequest{Key: id.String()})
	})
	byToken := c.run(func(ctx context.Context, api *client, _ []string) error {
		token, err := c.readToken()
		if err != nil {
			return err
		}
		return call(ctx, api, explainRequest{Token: token})
	})
	cmd := &cobra.Command{
		Use:   "explain <id>|- --method <method> --path <path>",
		Short: "Shows how a request would be decided, and why",
		Long: `Runs every check that a request with this key goes through, also those after the
first that fails, and shows what each compared and what would make it pass. The
key is named by its ID or prefix; with - its token is read from stdin, one line,
and is checked as well. Nothing is sent to the backend, charged or counted.

With --db no config runs: routes, scopes and limits are not known. The exit
status is 0 when the request was explained, allowed or not.`,
		Example: `  $ caddy keygate explain 7Hk2Qp9aX3bC --method POST --path /v1/posts
  $ caddy keygate explain 7Hk2Qp9aX3bC --method GET --path /v1/posts --ip 203.0.113.7 \
        --origin https://shop.example --at 2027-01-01T00:00:00Z
  $ caddy keygate explain - --method GET --path /v1/posts < token.txt`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" {
				return byToken(cmd, args)
			}
			return byID(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(textFlag{&method, "method"}, "method", "Method of the request")
	flags.Var(textFlag{&path, "path"}, "path", "Path of the request, percent-encoded as it is sent, without its query")
	flags.Var(textFlag{&origin, "origin"}, "origin", "Its Origin header (default none)")
	flags.Var(textFlag{&ip, "ip"}, "ip", "IP `address` that it comes from (default unknown)")
	flags.Var(textFlag{&at, "at"}, "at", "The `time` at which it comes, such as 2027-01-01T00:00:00Z (default now)")
	c.completeFlags(cmd)
	return cmd
}

// readToken reads the first line of stdin.
func (c *cli) readToken() (string, error) {
	const longest = 64 << 10 // far more than is a credential; the server judges
	if c.answers {
		c.note("Enter the token:")
	}
	line, err := bufio.NewReader(io.LimitReader(c.in, longest)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(line)
	if token == "" {
		return "", errors.New("stdin has no token; send it as a line, such as with < token.txt")
	}
	return token, nil
}

// printExplanation gives each check a row, with what would make it pass below
// it. Texts go on below themselves where the terminal is narrow, for a cut
// reason is none.
func (c *cli) printExplanation(resp *explainResponse) error {
	t := &table{
		columns: []column{{title: "CHECK"}, {title: "OUTCOME"}, {title: "COMPARED", least: 12}},
		width:   c.width,
		colour:  c.colour,
	}
	const before = len("public_route") + len("OUTCOME") + 2*columnGap
	var rows [][]cell
	for i := range resp.Checks {
		check := &resp.Checks[i]
		lines := wrap(visible(check.Compared), c.width-before)
		if check.Fix != "" {
			lines = append(lines, wrap(visible(check.Fix), c.width-before)...)
		}
		rows = append(rows, []cell{
			{text: check.Check},
			{text: check.Outcome, colour: outcomeColour(check.Outcome)},
			{text: lines[0]},
		})
		for _, line := range lines[1:] {
			rows = append(rows, []cell{{}, {}, {text: line}})
		}
	}
	if err := t.write(c.out, rows); err != nil {
		return err
	}
	if err := c.say(""); err != nil {
		return err
	}
	switch {
	case resp.Reason != access.Allowed.String():
		return c.say("The request is denied: %d %s.", resp.Status, resp.Reason)
	case c.target.db != "":
		return c.say("Nothing denies the request that is known without a config.")
	default:
		return c.say("The request is allowed.")
	}
}

func outcomeColour(outcome string) string {
	switch access.Outcome(outcome) {
	case access.Pass:
		return green
	case access.Fail:
		return red
	default:
		return ""
	}
}
