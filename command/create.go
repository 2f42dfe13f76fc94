package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func (c *cli) createCommand() *cobra.Command {
	var key keyFlags
	var quiet bool
	cmd := &cobra.Command{
		Use:   "create --workspace <name> --name <name> --scope <scopes>",
		Short: "Creates a key and shows its token, once",
		Long: `Creates a key and shows its token.

This is the only time that the token can be seen: the store keeps no more than
its hash. With --json the result is {"key":{…},"token":"…"}, with --quiet it is
the token alone.

With --db FILE, a store that does not exist yet is made.`,
		Example: `  $ caddy keygate create --workspace acme --name "Zapier - product launches" \
        --scope posts:write,media:upload --expires-in-days 90
  $ caddy keygate create --workspace acme --name shop --scope posts:read \
        --origin https://shop.example --per-minute 600 --burst 20
  $ caddy keygate create --workspace acme --name CI --scope posts:read -q > token.txt`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			if quiet && c.json {
				return errors.New("--quiet and --json exclude each other")
			}
			req, err := key.request()
			if err != nil {
				return err
			}
			var resp adminapi.TokenResponse
			api.MakesStore = true
			if err := api.Call(ctx, http.MethodPost, "/keygate/keys", req, &resp); err != nil {
				return err
			}
			return c.printToken(resp, quiet)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(textFlag{&key.req.Workspace, "workspace"}, "workspace", "The workspace that the key belongs to, for good")
	key.add(cmd)
	flags.BoolVarP(&quiet, "quiet", "q", false, "Print the token and nothing else")
	c.completeFlags(cmd)
	return cmd
}

// printToken prints a token, which nobody can see again. It writes everything in
// one call, because a token of which only half is shown is lost.
func (c *cli) printToken(resp adminapi.TokenResponse, quiet bool) error {
	var text []byte
	switch {
	case quiet:
		text = fmt.Appendln(nil, term.Visible(resp.Token))
	case c.json:
		encoded, err := term.EncodeJSON(resp)
		if err != nil {
			return err
		}
		text = append(encoded, '\n')
	default:
		text = fmt.Appendf(nil, "Created a key for workspace %s.\n\n", term.Visible(resp.Key.Workspace))
		text = append(text, c.describe(&resp.Key)...)
		text = fmt.Appendf(text, "\n%s\n\n", term.Visible(resp.Token))
		text = append(text, "The line above is the token. It is shown only now: keep it like a password.\n"+
			"Clients send it with every request, in the header\n"+
			"Authorization: Bearer YOUR_TOKEN\n"...)
	}
	if _, err := c.Out.Write(text); err != nil {
		return fmt.Errorf("key %s exists, but its token could not be shown: %w; delete the key and create another", resp.Key.ID, err)
	}
	return nil
}
