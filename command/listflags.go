package command

import (
	"net/url"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/keystore"
)

// listFlags are the flags that say which keys are listed, and in which order.
type listFlags struct {
	texts               []listText
	noExpiry, neverUsed bool
}

// listText is a flag whose value the server checks.
type listText struct {
	flag, parameter, usage string
	value                  *string // nil: not given
}

func (f *listFlags) add(flags *pflag.FlagSet) {
	f.texts = []listText{
		{"workspace", "workspace", "Only keys of this workspace", nil},
		{"status", "status", "Only keys of this `status`: active, disabled, expired or revoked", nil},
		{"scope", "scope", "Only keys that hold this `scope`", nil},
		{"created-by", "created_by", "Only keys that exactly this `actor` made", nil},
		{"name", "name", "Only keys with this `text` in their name, or whose ID or prefix begins with it", nil},
		{"expiring", "expiring", "Only live keys that expire within this `time`, such as 30d", nil},
		{"idle", "idle", "Only live keys not used for this `time`, such as 90d, nor created in it", nil},
		{"sort", "sort", "The `order`: name, created, expires or last-used (default by ID)", nil},
	}
	for i := range f.texts {
		t := &f.texts[i]
		flags.Var(textFlag{&t.value, t.parameter}, t.flag, t.usage)
	}
	flags.BoolVar(&f.noExpiry, "no-expiry", false, "Only keys that never expire")
	flags.BoolVar(&f.neverUsed, "never-used", false, "Only keys that were never used")
}

// query returns the parameters of the admin API for the flags that were given.
func (f *listFlags) query() url.Values {
	query := url.Values{}
	for _, t := range f.texts {
		if t.value != nil {
			query.Set(t.parameter, *t.value)
		}
	}
	if f.noExpiry {
		query.Set("no_expiry", "true")
	}
	if f.neverUsed {
		query.Set("never_used", "true")
	}
	return query
}

func completeSort(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var found []string
	for _, order := range keystore.Sorts() {
		found = append(found, string(order))
	}
	return completed(found)
}
