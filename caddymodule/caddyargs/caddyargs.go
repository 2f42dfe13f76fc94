// Package caddyargs reads the arguments of Caddyfile options, and refuses those
// that are wrong in words that say what is accepted.
package caddyargs

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// One takes the one argument of an option, whose form is for the error.
func One(d *caddyfile.Dispenser, value *string, form string) error {
	if !d.AllArgs(value) {
		return WrongCount(d, form)
	}
	return NoBlock(d, form)
}

// Duration is oneArg for a duration, of which accepted is for the error.
func Duration(d *caddyfile.Dispenser, option string, value *caddy.Duration, accepted string) error {
	var text string
	if err := One(d, &text, option+" <duration>, "+accepted); err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("%s %s is not a duration; accepted: %s", option, text, accepted)
	}
	*value = caddy.Duration(parsed)
	return nil
}

// NoBlock refuses a block after an option whose form is for the error.
func NoBlock(d *caddyfile.Dispenser, form string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("unexpected block, with '%s' in it; accepted: %s, without one", d.Val(), form)
	}
	return nil
}

// WrongCount is the error of an option with too few or too many arguments.
func WrongCount(d *caddyfile.Dispenser, form string) error {
	return d.Errf("wrong argument count after '%s'; accepted: %s", d.Val(), form)
}

// Checked is oneArg for a value that check accepts.
func Checked(d *caddyfile.Dispenser, value *string, check func(string) error, form string) error {
	if err := One(d, value, form); err != nil {
		return err
	}
	if err := check(*value); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// OneOf is oneArg for one of some words.
func OneOf(d *caddyfile.Dispenser, option string, value *string, words ...string) error {
	accepted := strings.Join(words, " or ")
	if err := One(d, value, option+" "+accepted); err != nil {
		return err
	}
	if slices.Contains(words, *value) {
		return nil
	}
	return d.Errf("%s %s is not accepted; accepted: %s", option, *value, accepted)
}

// Repeated is the error of an option that is given twice.
func Repeated(d *caddyfile.Dispenser, option string) error {
	return d.Errf("%s is already specified; it may be given once", option)
}
