package caddymodule

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func (c *cli) checkCommand() *cobra.Command {
	var mend bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Reads the whole store and reports what is damaged",
		Long: `Reads every record of the store and verifies its checksum. A key whose record is
damaged is refused, all others work. The exit status is 0 if all records verify;
otherwise it is 1, and the result is a table of those that do not.

In a fleet it also compares records, index and trail, and looks at every key of the
engine. With --mend it first finishes or undoes the changes that nobody goes on
with, and makes the index agree with the records.

With --json the result is {"keys":0,"damaged":[{"key_id":"…","problem":"…"}]}, with
--mend also "mended":0.`,
		Example: `  $ caddy keygate check
  $ caddy keygate check --mend
  $ caddy keygate check --db ./data/keygate.db --json`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client, _ []string) error {
			api.takesLong, api.silent = true, true
			if !mend {
				var resp checkResponse
				if err := api.call(ctx, http.MethodGet, "/keygate/check", nil, &resp); err != nil {
					return err
				}
				return c.printCheck(&resp, resp)
			}
			var resp mendResponse
			if err := api.call(ctx, http.MethodPost, "/keygate/check", nil, &resp); err != nil {
				return err
			}
			if resp.Mended > 0 && !c.json {
				c.note("%s", count(resp.Mended, "place was mended", "places were mended"))
			}
			return c.printCheck(&resp.checkResponse, resp)
		}),
	}
	cmd.Flags().BoolVar(&mend, "mend", false, "Mend first what can be")
	return cmd
}

// printCheck prints a result, with --json as whole.
func (c *cli) printCheck(resp *checkResponse, whole any) error {
	var err error
	switch {
	case c.json:
		err = c.printJSON(whole)
	case len(resp.Damaged) == 0:
		return c.say("All is well: %s.", plural(resp.Keys, "key"))
	default:
		rows := make([][]cell, len(resp.Damaged))
		for i, d := range resp.Damaged {
			rows[i] = []cell{{text: d.Key, colour: red}, {text: d.Problem}}
		}
		t := &table{columns: []column{{title: "KEY"}, {title: "PROBLEM"}}, colour: c.colour}
		err = t.write(c.out, rows)
	}
	if err == nil && len(resp.Damaged) > 0 {
		err = fmt.Errorf("%s damaged; restore a backup, or delete the keys and create others", count(len(resp.Damaged), "record is", "records are"))
	}
	return err
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
