package command

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/apikey"
)

// What is typed stands in the shell's history and in the list of processes,
// whatever a command makes of it.
const tokenTyped = "is a whole token, which is secret: name keys by their ID or prefix, take the token out of the shell's history, and rotate its key if others can read that"

// refuseTokens makes each subcommand refuse a token, as an argument or in any
// flag of its own or shared, before it opens, sends or writes anything.
func refuseTokens(shared *pflag.FlagSet, subcommands []*cobra.Command) {
	guard := func(f *pflag.Flag) { f.Value = tokenGuard{f.Value, "--" + f.Name} }
	shared.VisitAll(guard)
	for _, sub := range subcommands {
		sub.Flags().VisitAll(guard)
		accept := sub.Args
		sub.Args = func(cmd *cobra.Command, args []string) error {
			if slices.ContainsFunc(args, apikey.ContainsToken) {
				return errors.New("an argument " + tokenTyped)
			}
			return accept(cmd, args)
		}
	}
}

// tokenGuard keeps tokens from a flag.
type tokenGuard struct {
	pflag.Value
	flag string
}

func (g tokenGuard) Set(s string) error {
	if apikey.ContainsToken(s) {
		return &apikey.FieldError{Field: g.flag, Problem: tokenTyped}
	}
	return g.Value.Set(s)
}
