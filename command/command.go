// Package command implements `caddy keygate`, the command that administers keys.
//
// Each subcommand has a file of its own. It parses flags, calls the admin API by
// package client, and prints by package term. Only what works on files, which is
// restore, compact and the check of a new backup, uses package keystore itself.
// The client finds the admin API of a running Caddy, or serves it in this process
// on the store file given by --db; subcommands do not notice the difference.
//
// Rules for all subcommands:
//
//   - The server decides which values are accepted. Flags send exactly what was
//     typed; a flag that was not given is not sent.
//   - Results go to stdout, and notes, questions and warnings to stderr. --json
//     prints the result as JSON.
//   - A value from elsewhere is escaped before it is shown on a terminal.
//   - A whole token is refused as an argument or flag, because shells and process
//     lists keep it. A token is read from stdin and printed once.
//   - An error is one line that says what to do.
//
// To add a subcommand, write its file and add it to the list in buildCommand.
package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "keygate",
		Short:     "Manages the API keys of the keygate plugin",
		CobraFunc: func(cmd *cobra.Command) { buildCommand(cmd, term.System()) },
	})
}

// cli is what all subcommands share: input and output, the Caddy or store that is
// meant, and the form of the output.
type cli struct {
	*term.Console
	target target
	json   bool
	by     *string // who makes a change; nil: the login name
}

// buildCommand turns cmd into the command `caddy keygate`.
func buildCommand(cmd *cobra.Command, con *term.Console) {
	c := &cli{Console: con}
	cmd.Use = "keygate"
	cmd.Long = `Manages the API keys of the keygate plugin.

The commands speak to the Caddy that runs: the one at --address, or the one
that --config configures, or else as "caddy reload" finds it, by a Caddyfile
in this folder or at Caddy's default address. With --db FILE they work on a
store that no process holds.

Results go to stdout, everything else to stderr. The exit status is 0 when it
was done, and 1 when it was refused or failed, with one line that says why.`
	cmd.Example = `  $ caddy keygate create --workspace acme --name demo --scope posts:read
  $ caddy keygate list --workspace acme
  $ caddy keygate revoke 7Hk2Qp9aX3bC
  $ caddy keygate list --db ./data/keygate.db --json`
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = onlySubcommands
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SetFlagErrorFunc(flagError)

	flags := cmd.PersistentFlags()
	flags.Var(placeFlag{&c.target.address, "address"}, "address", "Admin `address` of the running Caddy, such as localhost:2019 or unix//run/caddy/admin.sock")
	flags.VarP(placeFlag{&c.target.config, "config"}, "config", "c", "Config `file` to read the admin address from")
	flags.VarP(placeFlag{&c.target.adapter, "adapter"}, "adapter", "a", "Config adapter `name`, where the config file does not tell it")
	flags.Var(placeFlag{&c.target.db, "db"}, "db", "Store `file` to work on directly; no process may hold it")
	flags.BoolVar(&c.json, "json", false, "Print JSON")
	flags.Var(textFlag{&c.by, "by"}, "by", "Who makes the change, for the history, 1 to 200 characters (default your login `name`)")

	subcommands := []*cobra.Command{
		c.createCommand(),
		c.listCommand(),
		c.showCommand(),
		c.updateCommand(),
		c.rotateCommand(),
		c.disableCommand(),
		c.enableCommand(),
		c.revokeCommand(),
		c.deleteCommand(),
		c.explainCommand(),
		c.usageCommand(),
		c.reviewCommand(),
		c.scopesCommand(),
		c.routesCommand(),
		c.lintCommand(),
		c.workspaceCommand(),
		c.auditCommand(),
		c.backupCommand(),
		c.restoreCommand(),
		c.initCommand(),
		c.checkCommand(),
		c.compactCommand(),
		c.healthCommand(),
		c.doctorCommand(),
		c.exportCommand(),
		c.importCommand(),
		c.scanCommand(),
		c.leakedCommand(),
	}
	cmd.AddCommand(subcommands...)
	refuseTokens(flags, subcommands)
	for _, name := range []string{"address", "adapter"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions) // both flags exist
	}
}

// run makes the cobra RunE of a subcommand. The client connects on its first
// call, so run can refuse bad arguments before that.
func (c *cli) run(run func(ctx context.Context, api *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		api := c.client(c.target)
		err := run(cmd.Context(), api, args)
		if closeErr := api.Close(); err == nil {
			err = closeErr
		}
		return oneLine(err)
	}
}

// client returns a client that connects to the target on its first call.
func (c *cli) client(to target) *client.Client {
	by := &c.User
	if c.by != nil {
		by = c.by
	} else if apikey.CheckActor(c.User) != nil {
		by = nil // nobody has typed it
	}
	return &client.Client{Find: to.place, Now: c.Now, Warn: c.Note, By: by}
}

// runOn is run for subcommands whose argument is one key, by ID or prefix.
func (c *cli) runOn(run func(ctx context.Context, api *client.Client, id apikey.ID) error) func(*cobra.Command, []string) error {
	return c.run(func(ctx context.Context, api *client.Client, args []string) error {
		id, err := apikey.ParseRef(args[0])
		if err != nil {
			return err
		}
		err = run(ctx, api, id)
		if refused, ok := errors.AsType[*client.RefusalError](err); ok && refused.Status == http.StatusNotFound {
			return fmt.Errorf("%w; caddy keygate list shows those that there are", err)
		}
		return err
	})
}

// oneLine turns an error into one line for the user. Text from elsewhere may have
// line breaks, and what was typed may contain a token.
func oneLine(err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(err.Error())
	if apikey.ContainsToken(text) {
		return errors.New("an argument " + tokenTyped)
	}
	return errors.New(term.Visible(text))
}

// flagError replaces the flag package's error about a bad value, which repeats
// the value, by the error of the flag itself.
func flagError(cmd *cobra.Command, err error) error {
	if field, ok := errors.AsType[*apikey.FieldError](err); ok {
		return oneLine(field)
	}
	return usageError(cmd, "%w", err)
}

func usageError(cmd *cobra.Command, format string, args ...any) error {
	return oneLine(fmt.Errorf(format+"; see %s --help", append(args, cmd.CommandPath())...))
}

func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usageError(cmd, "%s is not a subcommand (did you mean %s?)", strconv.QuoteToASCII(args[0]), near[0])
	}
	return usageError(cmd, "%s is not a subcommand", strconv.QuoteToASCII(args[0]))
}

func noArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(cmd, "%s takes flags only, but was given %s", cmd.Name(), strconv.QuoteToASCII(args[0]))
}

func oneKey(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usageError(cmd, "%s takes one key ID, but was given %d", cmd.Name(), len(args))
}
