package command

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
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func (c *cli) explainCommand() *cobra.Command {
	var method, path, origin, ip, at *string
	put := func(dst, src *string) {
		if src != nil {
			*dst = *src
		}
	}
	call := func(ctx context.Context, api *client.Client, req adminapi.ExplainRequest) error {
		put(&req.Method, method)
		put(&req.Path, path)
		put(&req.Origin, origin)
		put(&req.IP, ip)
		put(&req.At, at)
		var resp adminapi.ExplainResponse
		if err := api.Call(ctx, http.MethodPost, adminapi.ExplainPath, req, &resp); err != nil {
			return err
		}
		if c.json {
			return c.PrintJSON(resp)
		}
		return c.printExplanation(&resp)
	}
	byID := c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
		return call(ctx, api, adminapi.ExplainRequest{Key: id.String()})
	})
	byToken := c.run(func(ctx context.Context, api *client.Client, _ []string) error {
		token, err := c.readToken()
		if err != nil {
			return err
		}
		return call(ctx, api, adminapi.ExplainRequest{Token: token})
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
	const longest = 64 << 10 // far more than a credential; the server judges it
	if c.Answers {
		c.Note("Enter the token:")
	}
	line, err := bufio.NewReader(io.LimitReader(c.In, longest)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(line)
	if token == "" {
		return "", errors.New("stdin has no token; send it as a line, such as with < token.txt")
	}
	return token, nil
}

// printExplanation prints a row for each check, and below it what would make the
// check pass. On a narrow terminal texts wrap, because a cut reason explains
// nothing.
func (c *cli) printExplanation(resp *adminapi.ExplainResponse) error {
	t := &term.Table{
		Columns: []term.Column{{Title: "CHECK"}, {Title: "OUTCOME"}, {Title: "COMPARED", Least: 12}},
		Width:   c.Width,
		Colour:  c.Colour,
	}
	const before = len("public_route") + len("OUTCOME") + 2*term.ColumnGap
	var rows [][]term.Cell
	for i := range resp.Checks {
		check := &resp.Checks[i]
		lines := term.Wrap(term.Visible(check.Compared), c.Width-before)
		if check.Fix != "" {
			lines = append(lines, term.Wrap(term.Visible(check.Fix), c.Width-before)...)
		}
		rows = append(rows, []term.Cell{
			{Text: check.Check},
			{Text: check.Outcome, Colour: outcomeColour(check.Outcome)},
			{Text: lines[0]},
		})
		for _, line := range lines[1:] {
			rows = append(rows, []term.Cell{{}, {}, {Text: line}})
		}
	}
	if err := t.Write(c.Out, rows); err != nil {
		return err
	}
	if err := c.Say(""); err != nil {
		return err
	}
	switch {
	case resp.Passes:
		return c.Say("The request passes, as the gateway is in mode report; enforced it would be denied: %d %s.", resp.Status, resp.Reason)
	case resp.Reason != access.Allowed.String():
		return c.Say("The request is denied: %d %s.", resp.Status, resp.Reason)
	case c.target.db != "":
		return c.Say("Nothing denies the request that is known without a config.")
	default:
		return c.Say("The request is allowed.")
	}
}

func outcomeColour(outcome string) string {
	switch access.Outcome(outcome) {
	case access.Pass:
		return term.Green
	case access.Fail:
		return term.Red
	default:
		return ""
	}
}
