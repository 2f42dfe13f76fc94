package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// oneArg takes the one argument of an option, whose form is for the error.
func oneArg(d *caddyfile.Dispenser, value *string, form string) error {
	if !d.AllArgs(value) {
		return wrongCount(d, form)
	}
	return noBlock(d, form)
}

// durationArg is oneArg for a duration, of which accepted is for the error.
func durationArg(d *caddyfile.Dispenser, option string, value *caddy.Duration, accepted string) error {
	var text string
	if err := oneArg(d, &text, option+" <duration>, "+accepted); err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("%s %s is not a duration; accepted: %s", option, text, accepted)
	}
	*value = caddy.Duration(parsed)
	return nil
}

// noBlock refuses a block after an option whose form is for the error.
func noBlock(d *caddyfile.Dispenser, form string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("unexpected block, with '%s' in it; accepted: %s, without one", d.Val(), form)
	}
	return nil
}

// wrongCount is the error of an option with too few or too many arguments.
func wrongCount(d *caddyfile.Dispenser, form string) error {
	return d.Errf("wrong argument count after '%s'; accepted: %s", d.Val(), form)
}

// checked is oneArg for a value that check accepts.
func checked(d *caddyfile.Dispenser, value *string, check func(string) error, form string) error {
	if err := oneArg(d, value, form); err != nil {
		return err
	}
	if err := check(*value); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// oneOf is oneArg for one of some words.
func oneOf(d *caddyfile.Dispenser, option string, value *string, words ...string) error {
	accepted := strings.Join(words, " or ")
	if err := oneArg(d, value, option+" "+accepted); err != nil {
		return err
	}
	if slices.Contains(words, *value) {
		return nil
	}
	return d.Errf("%s %s is not accepted; accepted: %s", option, *value, accepted)
}

// alreadySpecified is the error of an option that is given twice.
func alreadySpecified(d *caddyfile.Dispenser, option string) error {
	return d.Errf("%s is already specified; it may be given once", option)
}
