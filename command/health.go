package command

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
)

func (c *cli) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Says whether requests can be decided",
		Long: `Says whether the running Caddy can decide requests, for health checks: the exit
status is 0 if it can, and 1 with the reason if not. What does not work all the
same, such as changes on a broken disk, is told on stderr.

With --json the result is {"status":"ready"}, with "warning":"…" where there is one.`,
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
			if resp.Warning != "" {
				c.Note("warning: %s", resp.Warning)
			}
			return c.Say("%s", resp.Status)
		}),
	}
}
