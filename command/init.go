package command

import (
	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/keystore"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init --db <store>",
		Short: "Makes an empty store",
		Long: `Makes an empty store, and its folder, for a Caddy whose config has create off. It
never replaces a file. Run it as the user that Caddy runs as.

With --json the result is {"file":"…"}.`,
		Example: `  $ caddy keygate init --db /var/lib/keygate/keys.db`,
		Args:    noArgument,
		RunE: func(*cobra.Command, []string) error {
			return oneLine(c.init())
		},
	}
}

func (c *cli) init() error {
	path := c.target.db
	if err := c.offlineOnly("init"); err != nil {
		return err
	}
	if err := absent(path); err != nil {
		return err
	}
	store, err := keystore.OpenBolt(path)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if !store.About().Made { // somebody was faster
		return exists(path)
	}
	if c.json {
		return c.PrintJSON(struct {
			File string `json:"file"`
		}{path})
	}
	return c.Say("Made an empty store at %s.", path)
}
