package command

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
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
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			api.TakesLong, api.Silent = true, true
			if !mend {
				var resp adminapi.CheckResponse
				if err := api.Call(ctx, http.MethodGet, adminapi.CheckPath, nil, &resp); err != nil {
					return err
				}
				return c.printCheck(&resp, resp)
			}
			var resp adminapi.MendResponse
			if err := api.Call(ctx, http.MethodPost, adminapi.CheckPath, nil, &resp); err != nil {
				return err
			}
			if resp.Mended > 0 && !c.json {
				c.Note("%s", english.Count(resp.Mended, "place was mended", "places were mended"))
			}
			return c.printCheck(&resp.CheckResponse, resp)
		}),
	}
	cmd.Flags().BoolVar(&mend, "mend", false, "Mend first what can be")
	return cmd
}

// printCheck prints the result of a check. With --json it prints whole.
func (c *cli) printCheck(resp *adminapi.CheckResponse, whole any) error {
	var err error
	switch {
	case c.json:
		err = c.PrintJSON(whole)
	case len(resp.Damaged) == 0:
		return c.Say("All is well: %s.", english.Plural(resp.Keys, "key"))
	default:
		rows := make([][]term.Cell, len(resp.Damaged))
		for i, d := range resp.Damaged {
			rows[i] = []term.Cell{{Text: d.Key, Colour: term.Red}, {Text: d.Problem}}
		}
		t := &term.Table{Columns: []term.Column{{Title: "KEY"}, {Title: "PROBLEM"}}, Colour: c.Colour}
		err = t.Write(c.Out, rows)
	}
	if err == nil && len(resp.Damaged) > 0 {
		err = fmt.Errorf("%s damaged; restore a backup, or delete the keys and create others", english.Count(len(resp.Damaged), "record is", "records are"))
	}
	return err
}
