package command

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/internal/english"
)

func (c *cli) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Says whether requests can be decided",
		Long: `Says whether the running Caddy can decide requests, for health checks: the exit
status is 0 if it can, and 1 with the reason if not. What does not work all the
same, such as changes on a broken disk, is told on stderr, and so is which key store
and which process have answered.

With --json all of it is one object: status, store, pid, and warning where there is
one.`,
		Example:           `  $ caddy keygate health --address unix//run/caddy/admin.sock`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			var resp adminapi.HealthResponse
			if err := api.Call(ctx, http.MethodGet, adminapi.HealthPath, nil, &resp); err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(resp)
			}
			if resp.Store.Place != "" { // older gateways do not tell
				c.Note("%s", answered(resp))
			}
			if resp.Warning != "" {
				c.Note("warning: %s", resp.Warning)
			}
			return c.Say("%s", resp.Status)
		}),
	}
}

// answered says which store and which process an answer comes from.
func answered(from adminapi.HealthResponse) string {
	keys := ""
	if from.Store.Keys != nil {
		keys = ", " + english.Plural(*from.Store.Keys, "key")
	}
	return fmt.Sprintf("process %d has the key store %s (%s%s)", from.PID, from.Store.Place, from.Store.Kind, keys)
}
