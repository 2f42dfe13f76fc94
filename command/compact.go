package command

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// compactResult is what compact --json prints.
type compactResult struct {
	File   string `json:"file"`
	Keys   int    `json:"keys"`
	Before int64  `json:"before"`
	After  int64  `json:"after"`
}

func (c *cli) compactCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compact --db <store>",
		Short: "Reclaims unused space",
		Long: `Writes a store that no process holds anew, without the space that deleted keys,
old use and old history took, and puts it in the place of the old file once it
is whole and verified. A store does not shrink by itself: it uses that space
for what comes next. Stop the Caddy that serves it first.

With --json the result is {"file":"…","keys":0,"before":0,"after":0}, in bytes.`,
		Example: `  $ caddy keygate compact --db ./data/keygate.db`,
		Args:    noArgument,
		RunE: func(*cobra.Command, []string) error {
			return oneLine(c.compact())
		},
	}
}

func (c *cli) compact() error {
	path := c.target.db
	if err := c.offlineOnly("compact"); err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil { // OpenBolt would create the file
		return err
	}
	done, err := keystore.CompactFile(path)
	if err != nil {
		return err
	}
	if done.UpgradedFrom != 0 {
		c.Note("%s", keystore.Upgraded(path, done.UpgradedFrom))
	}
	if c.json {
		return c.PrintJSON(compactResult{path, done.Keys, done.Before, done.After})
	}
	return c.Say("Compacted %s: %s to %s (%s).", path, term.Megabytes(done.Before), term.Megabytes(done.After), english.Plural(done.Keys, "key"))
}
