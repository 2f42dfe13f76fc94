package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/doctor"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
)

func (c *cli) doctorCommand() *cobra.Command {
	var backups string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Looks at everything at once, and says what to do",
		Long: `Looks at a gateway, its store, its config and this machine, and prints a line for
each thing that can be wrong, with what to type. It changes nothing.

  health       whether requests are decided and changes are taken
  store        whether the store is there, has keys, and all its records verify
  owner        which process has the store, and whether it answers for it
  lock         whether a lock keeps other processes away from the store
  socket       whether keys can be managed, and by whom
  ports        whether the gateway alone gets what is sent to its ports
  permissions  who else can read or change store, config, secrets and backups
  disk         room for a change and a copy, a disk of this machine
  clock        the clock against that of the gateway, the store and the engine
  config       whether what runs is what is in the file
  redirects    whether a key that is sent to http:// goes unnoticed
  log_filter   whether tokens get into logs
  backups      whether the newest in a folder is a day old at most, and whole

A line says ok, fail or skipped. What could not be looked at is skipped, with how
to have it looked at: run this as root, and on the machine of the gateway. In a
fleet there is no file, so that store, owner, lock and disk are left out.

The exit status is 1 if anything fails. With --json the result is
{"checks":[{"check":"…","outcome":"…","found":"…","do":"…"}]}.`,
		Example: `  $ caddy keygate doctor --config /etc/keygate/Caddyfile --backups /var/backups/keygate
  $ caddy keygate doctor --json | jq -r '.checks[] | select(.outcome == "fail") | .do'
  $ caddy keygate doctor --db ./data/keygate.db`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			g, err := c.findGateway(ctx, api)
			if err != nil {
				return err
			}
			g.Backups = backups
			return c.printExamination(doctor.Examine(doctor.Look(*g)))
		}),
	}
	cmd.Flags().Var(placeFlag{&backups, "backups"}, "backups", "The `folder` of the backups")
	return cmd
}

// printExamination prints a line for each finding. The columns are as wide as the
// words in them.
func (c *cli) printExamination(all []doctor.Line) error {
	for i := range all {
		all[i].Found, all[i].Do = withoutToken(all[i].Found), withoutToken(all[i].Do)
	}
	if c.json {
		if err := c.PrintJSON(struct {
			Checks []doctor.Line `json:"checks"`
		}{all}); err != nil {
			return err
		}
	} else if err := c.printLines(all); err != nil {
		return err
	}
	if n := doctor.Failed(all); n > 0 {
		return fmt.Errorf("%s", english.Count(n, "thing is wrong", "things are wrong"))
	}
	return nil
}

func (c *cli) printLines(all []doctor.Line) error {
	widest := 0
	for _, name := range doctor.Names() {
		widest = max(widest, len(name))
	}
	colours := map[doctor.Outcome]string{doctor.OK: term.Green, doctor.Fail: term.Red, doctor.Skipped: term.Yellow}
	for _, line := range all {
		outcome := fmt.Sprintf("%-*s", len(doctor.Skipped), line.Outcome)
		if c.Colour {
			outcome = colours[line.Outcome] + outcome + term.ColourEnd
		}
		text := line.Found
		if line.Do != "" {
			text += ". Do: " + line.Do
		}
		if _, err := fmt.Fprintf(c.Out, "%s  %-*s  %s\n", outcome, widest, line.Check, term.Visible(text)); err != nil {
			return err
		}
	}
	return nil
}

// withoutToken keeps a token that somebody has put into a path or a config from
// the output.
func withoutToken(text string) string {
	if !apikey.ContainsToken(text) {
		return text
	}
	words := strings.Fields(text)
	for i, word := range words {
		if apikey.ContainsToken(word) {
			words[i] = "(a token)"
		}
	}
	return strings.Join(words, " ")
}
