package command

import (
	"context"
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func (c *cli) rotateCommand() *cobra.Command {
	var req adminapi.RotateRequest
	var quiet bool
	cmd := &cobra.Command{
		Use:   "rotate <id>",
		Short: "Replaces a key by a new one with the same settings",
		Long: `Makes a new key with the settings of the one that is named, by its ID or prefix,
and shows its token, once. Both keys work during the overlap; then the old one
expires. When it was last used tells whether all its clients have switched.

With --json the result is {"key":{…},"token":"…"}, with --quiet it is the token
alone.`,
		Example: `  $ caddy keygate rotate 7Hk2Qp9aX3bC
  $ caddy keygate rotate 7Hk2Qp9aX3bC --overlap 168h -q > token.txt
  $ caddy keygate rotate 7Hk2Qp9aX3bC --overlap 0s`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE: c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
			if quiet && c.json {
				return errors.New("--quiet and --json exclude each other")
			}
			var resp adminapi.TokenResponse
			if err := api.Call(ctx, http.MethodPost, keyPath(id)+"/rotate", req, &resp); err != nil {
				return err
			}
			if err := c.printToken(resp, quiet); err != nil || quiet || c.json {
				return err
			}
			return c.sayReplaced(ctx, api, id)
		}),
	}
	flags := cmd.Flags()
	flags.Var(textFlag{&req.Overlap, "overlap"}, "overlap", "The `duration` for which the old key goes on working, 0s to 8760h, such as 30m (default 24h)")
	flags.BoolVarP(&quiet, "quiet", "q", false, "Print the token and nothing else")
	c.completeFlags(cmd)
	return cmd
}

// sayReplaced says what becomes of a key that was rotated. The rotation is done
// even if the old key can no longer be read.
func (c *cli) sayReplaced(ctx context.Context, api *client.Client, id apikey.ID) error {
	var old apikey.Record
	if err := api.Call(ctx, http.MethodGet, keyPath(id), nil, &old); err != nil {
		c.Note("the key was rotated, but the old one cannot be read: %v", oneLine(err))
		return nil
	}
	if err := c.Say(""); err != nil {
		return err
	}
	if old.Status != apikey.Active {
		return c.Say("The old key, %s, does not work any more.", old.Prefix)
	}
	if err := c.Say("The old key, %s, works until %s.", old.Prefix, term.FullTime(old.ExpiresAt, c.Now())); err != nil {
		return err
	}
	return c.Say("To see when it was last used: caddy keygate show %s", old.ID)
}
