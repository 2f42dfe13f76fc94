package command

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/apikey"
)

// Whatever a command does with a token that was typed, the token is in the
// shell's history and was in the list of processes.
const tokenTyped = "is a whole token, which is secret: name keys by their ID or prefix, take the token out of the shell's history, and rotate its key if others can read that"

// refuseTokens makes each subcommand refuse a token in its arguments and flags,
// shared flags included, before it opens, sends or writes anything.
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

// tokenGuard makes a flag refuse tokens.
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
