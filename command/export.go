package command

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
)

func (c *cli) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export [<file>]",
		Short: "Writes all keys as JSON lines, to move them elsewhere",
		Long: `Writes the record of every key with the hash of its token, one JSON object a line,
for caddy keygate import. It goes to a new file of mode 0600, or to stdout with -
or without a file. Whoever has it can use no key, but can make another store
accept them all: keep it as private as the store. Use and history of the keys
are not in it; caddy keygate backup copies those as well.`,
		Example: `  $ caddy keygate export keys.jsonl
  $ caddy keygate export | jq -c 'select(.workspace == "acme")' > acme.jsonl`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneFile("the file to write, or - for stdout")(cmd, args)
		},
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			if len(args) == 0 || args[0] == stdinOut {
				_, err := exportLines(ctx, api, c.Out)
				return err
			}
			keys := 0
			err := writeNew(args[0], func(w io.Writer) (err error) {
				keys, err = exportLines(ctx, api, w)
				return err
			})
			if err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(exportResult{args[0], keys})
			}
			return c.Say("Exported %s to %s.", english.Plural(keys, "key"), args[0])
		}),
	}
}

// exportResult is what export --json prints after writing a file. An export to
// stdout is JSON already.
type exportResult struct {
	File string `json:"file"`
	Keys int    `json:"keys"`
}

// exportLines writes an export in a form that is safe to show on a terminal.
func exportLines(ctx context.Context, api *client.Client, w io.Writer) (lines int, err error) {
	api.TakesLong = true
	resp, err := api.Send(ctx, http.MethodGet, adminapi.ExportPath, client.Payload{})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	in, out := bufio.NewReader(failing{resp.Body, api}), bufio.NewWriter(w)
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return lines, out.Flush()
		case err == io.EOF:
			return lines, errors.New("the export ends in the middle of a line")
		case err != nil:
			return lines, err
		}
		lines++
		if _, err := out.Write(append(term.VisibleJSON(line[:len(line)-1]), '\n')); err != nil {
			return lines, err
		}
	}
}
