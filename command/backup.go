package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// backupResult is what backup --json prints.
type backupResult struct {
	File  string `json:"file"`
	Keys  int    `json:"keys"`
	Bytes int64  `json:"bytes"`
}

func (c *cli) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup <file>",
		Short: "Writes a consistent copy of the store, while it serves",
		Long: `Writes a consistent copy of the whole store to a new file of mode 0600, while the
store serves, and reads it back to see that it can be restored. The file gets
its name once it is whole and on disk; a file that exists is not replaced. With -
the copy goes to stdout, and is not read back. It holds no token, only hashes.

With --json the result is {"file":"…","keys":0,"bytes":0}.`,
		Example: `  $ caddy keygate backup keys-$(date +%F).db
  $ caddy keygate backup keys.db.bak --db ./data/keygate.db
  $ caddy keygate backup - | age -r age1… > keys.db.age`,
		Args: oneFile("the file to write, or - for stdout"),
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			path := args[0]
			if path == stdinOut {
				return c.backupToOut(ctx, api)
			}
			result := backupResult{File: path}
			err := writeNew(path, func(w io.Writer) (err error) {
				result.Bytes, err = download(ctx, api, adminapi.BackupPath, w)
				return err
			})
			if err != nil {
				return err
			}
			if result.Keys, err = keystore.VerifyFile(path); err != nil {
				return fmt.Errorf("the backup is written, but cannot be restored as it is: %w; caddy keygate check shows what is damaged", err)
			}
			if c.json {
				return c.PrintJSON(result)
			}
			return c.Say("Backed up %s to %s (%d bytes).", english.Plural(result.Keys, "key"), path, result.Bytes)
		}),
	}
}

func (c *cli) backupToOut(ctx context.Context, api *client.Client) error {
	switch {
	case c.json:
		return errors.New("- and --json exclude each other")
	case c.Terminal:
		return errors.New("a backup is no text for a terminal; name a file, or redirect stdout")
	}
	_, err := download(ctx, api, adminapi.BackupPath, c.Out)
	return err
}

// download copies an answer while it arrives. It returns an error if the answer
// was cut short.
func download(ctx context.Context, api *client.Client, path string, w io.Writer) (int64, error) {
	api.TakesLong = true
	resp, err := api.Send(ctx, http.MethodGet, path, client.Payload{})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, failing{resp.Body, api})
	return n, err
}

// failing reads an answer. If it breaks off, the error says where the answer came
// from.
type failing struct {
	io.Reader
	api *client.Client
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.api.Interrupted(false, err)
	}
	return n, err
}
