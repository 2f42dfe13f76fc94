package command

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
)

func (c *cli) revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke <id>",
		Short: "Revokes a key, for good",
		Long: `Revokes a key, named by its ID or prefix. Its next request is refused. A revoked
key stays in the store, to be looked at, and can never be used again.`,
		Example:           `  $ caddy keygate revoke 7Hk2Qp9aX3bC`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE:              c.moveTo("revoke", "Revoked", apikey.Revoked),
	}
}

func (c *cli) disableCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "disable <id>",
		Short: "Disables a key until it is enabled again",
		Long: `Disables a key, named by its ID or prefix. Its next request is refused, and so
are all others until the key is enabled again.`,
		Example: `  $ caddy keygate disable 7Hk2Qp9aX3bC
  $ caddy keygate enable 7Hk2Qp9aX3bC`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE:              c.moveTo("disable", "Disabled", apikey.Disabled),
	}
}

func (c *cli) enableCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "enable <id>",
		Short: "Enables a key that was disabled",
		Long: `Enables a key, named by its ID or prefix, that was disabled. A key that has
expired meanwhile stays expired; a revoked one cannot be enabled.`,
		Example:           `  $ caddy keygate enable 7Hk2Qp9aX3bC`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE:              c.moveTo("enable", "Enabled", apikey.Active),
	}
}

// moveTo runs an action of the admin API that takes only a key and brings it into
// a state.
func (c *cli) moveTo(action, done string, state apikey.Status) func(*cobra.Command, []string) error {
	return c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
		var key apikey.Record
		if err := api.Call(ctx, http.MethodPost, keyPath(id)+"/"+action, nil, &key); err != nil {
			return err
		}
		if c.json {
			return c.PrintJSON(key)
		}
		if key.Status != state {
			c.Note("the key is %s, and its requests are refused all the same", key.Status)
		}
		return c.Say("%s %s (%s, workspace %s).", done, key.Prefix, key.Name, key.Workspace)
	})
}
