package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
)

func (c *cli) importCommand() *cobra.Command {
	var keepGoing, allowUnknownScope bool
	cmd := &cobra.Command{
		Use:   "import <file>",
		Short: "Adds keys from JSON lines, of an export or from elsewhere",
		Long: `Adds the keys of a file, or of stdin with -, one JSON object a line, as caddy
keygate export writes them. Keys of another system have "token_format":"opaque"
and, as hash, "sha256:" and the hexadecimal SHA-256 of the whole token; such a
token goes on working as it is.

If any line is refused, nothing is imported; with --keep-going everything else
is. Refused lines are told on stderr by their number, and the exit status is 1.

On a terminal a bar shows how much of the file was sent and checked, and then
how many keys are stored. They are stored in batches of 60,000: if one fails,
the error says how many keys were imported before it.

With --json the result is {"imported":0,"errors":[{"line":1,"error":"…"}]}. With
--db FILE, a store that does not exist yet is made from a file.`,
		Example: `  $ caddy keygate import keys.jsonl
  $ caddy keygate export --db old.db | caddy keygate import -
  $ caddy keygate import keys.jsonl --keep-going --allow-unknown-scope`,
		Args: oneFile("the file to read, or - for stdin"),
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			query := url.Values{}
			if keepGoing {
				query.Set("keep_going", "true")
			}
			if allowUnknownScope {
				query.Set("allow_unknown_scope", "true")
			}
			resp, err := c.importFrom(ctx, api, args[0], query)
			if err != nil {
				return err
			}
			return c.printImport(resp, keepGoing)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&keepGoing, "keep-going", false, "Import all lines but those that are refused")
	flags.BoolVar(&allowUnknownScope, "allow-unknown-scope", false, "Accept scopes that neither the catalogue nor the running config knows")
	return cmd
}

func (c *cli) importFrom(ctx context.Context, api *client.Client, path string, query url.Values) (*adminapi.ImportResponse, error) {
	bar := &term.ImportBar{Out: c.Err}
	if !c.json {
		bar.Width = c.Watched
	}
	defer bar.End()
	sent := client.Payload{ContentType: "application/jsonl", Body: bar.Body(io.NopCloser(c.In)), Progress: bar.Stored}
	if path != stdinOut {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		sent.Body = bar.Body(file)
		if info.Mode().IsRegular() { // a pipe can be read only once
			bar.Size = info.Size()
			sent.Again = func() (io.ReadCloser, error) {
				again, err := os.Open(path)
				if err != nil {
					return nil, err
				}
				return bar.Body(again), nil
			}
			api.MakesStore = true
		}
	}
	api.TakesLong = true
	target := adminapi.ImportPath
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	answer, err := api.Send(ctx, http.MethodPost, target, sent)
	if refused, ok := errors.AsType[*client.RefusalError](err); ok && len(refused.Lines) > 0 {
		return &adminapi.ImportResponse{Errors: refused.Lines}, nil
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	resp := &adminapi.ImportResponse{Errors: []adminapi.ImportError{}}
	if err := json.NewDecoder(answer.Body).Decode(resp); err != nil {
		return nil, api.Interrupted(true, err)
	}
	return resp, nil
}

func (c *cli) printImport(resp *adminapi.ImportResponse, keepGoing bool) error {
	for _, refused := range resp.Errors {
		c.Note("line %d: %s", refused.Line, refused.Error)
	}
	var err error
	switch {
	case c.json:
		err = c.PrintJSON(resp)
	case len(resp.Errors) == 0 || resp.Imported > 0:
		err = c.Say("Imported %s.", english.Plural(resp.Imported, "key"))
	}
	if err != nil || len(resp.Errors) == 0 {
		return err
	}
	refused := english.Count(len(resp.Errors), "line was", "lines were")
	if len(resp.Errors) >= adminapi.MaxImportErrors {
		refused = fmt.Sprintf("%d or more lines were", adminapi.MaxImportErrors)
	}
	if keepGoing {
		return fmt.Errorf("%s refused, all others were imported", refused)
	}
	return fmt.Errorf("%s refused, so nothing was imported; correct them, or leave them out with --keep-going", refused)
}
