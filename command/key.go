package command

import (
	"context"
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
)

func keyPath(id apikey.ID) string { return "/keygate/keys/" + id.String() }

func (c *cli) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show <id>",
		Short: "Shows one key",
		Long: `Shows the settings of one key, named by its ID or prefix, and when it was last
used. Times are UTC. Its token cannot be shown: the store does not have it.`,
		Example: `  $ caddy keygate show 7Hk2Qp9aX3bC
  $ caddy keygate show patra_7Hk2Qp9aX3bC --json`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE: c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
			var key apikey.Record
			if err := api.Call(ctx, http.MethodGet, keyPath(id), nil, &key); err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(key)
			}
			_, err := c.Out.Write(c.describe(&key))
			return err
		}),
	}
}

func (c *cli) deleteCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete <id>",
		Short: "Deletes a key and its record",
		Long: `Deletes a key, named by its ID or prefix: its next request is refused, and
nothing is left to look at but its history. To keep the record, revoke the key
instead.

It asks before it does so; where nobody can answer, --yes is needed. With --json
it prints nothing, as there is no record any more.`,
		Example: `  $ caddy keygate delete 7Hk2Qp9aX3bC
  $ caddy keygate delete 7Hk2Qp9aX3bC --yes`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE: c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
			if !yes {
				if err := c.confirmDelete(ctx, api, id); err != nil {
					return err
				}
			}
			if err := api.Call(ctx, http.MethodDelete, keyPath(id), nil, nil); err != nil || c.json {
				return err
			}
			return c.Say("Deleted %s.", id)
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask")
	return cmd
}

func (c *cli) confirmDelete(ctx context.Context, api *client.Client, id apikey.ID) error {
	if !c.Answers {
		return errors.New("deleting a key cannot be undone; say --yes to do it, or revoke the key to keep its record")
	}
	var key apikey.Record
	if err := api.Call(ctx, http.MethodGet, keyPath(id), nil, &key); err != nil {
		return err
	}
	sure, err := c.Confirm("Delete %s (%s, workspace %s) for good?", key.Prefix, key.Name, key.Workspace)
	if err == nil && !sure {
		err = errors.New("nothing was deleted")
	}
	return err
}
