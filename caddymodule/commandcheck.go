package caddymodule

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/internal/english"
)

func (c *cli) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Reads the whole store and reports what is damaged",
		Long: `Reads every record of the store and verifies its checksum. A key whose record is
damaged is refused, all others work. The exit status is 0 if all records verify;
otherwise it is 1, and the result is a table of those that do not.

With --json the result is {"keys":0,"damaged":[{"key_id":"…","problem":"…"}]}.`,
		Example: `  $ caddy keygate check
  $ caddy keygate check --db ./data/keygate.db --json`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client, _ []string) error {
			api.TakesLong, api.Silent = true, true
			var resp checkResponse
			if err := api.Call(ctx, http.MethodGet, CheckPath, nil, &resp); err != nil {
				return err
			}
			return c.printCheck(&resp)
		}),
	}
}

func (c *cli) printCheck(resp *checkResponse) error {
	var err error
	switch {
	case c.json:
		err = c.printJSON(resp)
	case len(resp.Damaged) == 0:
		return c.say("All is well: %s.", english.Plural(resp.Keys, "key"))
	default:
		rows := make([][]cell, len(resp.Damaged))
		for i, d := range resp.Damaged {
			rows[i] = []cell{{text: d.Key, colour: red}, {text: d.Problem}}
		}
		t := &table{columns: []column{{title: "KEY"}, {title: "PROBLEM"}}, colour: c.colour}
		err = t.write(c.out, rows)
	}
	if err == nil && len(resp.Damaged) > 0 {
		err = fmt.Errorf("%s damaged; restore a backup, or delete the keys and create others", english.Count(len(resp.Damaged), "record is", "records are"))
	}
	return err
}
