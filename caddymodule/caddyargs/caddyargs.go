// Package caddyargs reads the arguments of Caddyfile options. Its errors say
// which form is accepted. A [Choice] declares the words of an option once, for
// the Caddyfile and for JSON.
package caddyargs

import (
	"fmt"
	"math"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/socialpatra/keygate/internal/english"
)

// One reads the single argument of an option. form is the option's form for
// errors.
func One(d *caddyfile.Dispenser, value *string, form string) error {
	if !d.AllArgs(value) {
		return WrongCount(d, form)
	}
	return NoBlock(d, form)
}

// Duration reads a single duration. accepted says in errors which durations are
// accepted.
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

// Bytes reads a single amount of memory, such as 64MiB, that is not 0. accepted says
// in errors which are accepted.
func Bytes(d *caddyfile.Dispenser, option string, value *int64, accepted string) error {
	var text string
	if err := One(d, &text, option+" <size>, "+accepted); err != nil {
		return err
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size == 0 || size > math.MaxInt64 {
		return d.Errf("%s %s is not accepted; accepted: %s", option, text, accepted)
	}
	*value = int64(size)
	return nil
}

// NoBlock refuses a block after an option. form is the option's form for errors.
func NoBlock(d *caddyfile.Dispenser, form string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("unexpected block, with '%s' in it; accepted: %s, without one", d.Val(), form)
	}
	return nil
}

// WrongCount is the error for too few or too many arguments.
func WrongCount(d *caddyfile.Dispenser, form string) error {
	return d.Errf("wrong argument count after '%s'; accepted: %s", d.Val(), form)
}

// Checked is One with a check of the value.
func Checked(d *caddyfile.Dispenser, value *string, check func(string) error, form string) error {
	if err := One(d, value, form); err != nil {
		return err
	}
	if err := check(*value); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Choice is an option whose value is one of several words, in a Caddyfile and in
// JSON.
type Choice struct {
	Option string
	Words  []string
}

// Read is One for a Choice.
func (c Choice) Read(d *caddyfile.Dispenser, value *string) error {
	if err := c.word(d, value); err != nil {
		return err
	}
	return NoBlock(d, c.Option+" "+english.Or(c.Words))
}

// ReadWith is Read for a Choice that may have a block with one option, which read
// reads.
func (c Choice) ReadWith(d *caddyfile.Dispenser, value *string, option string, read func() error) error {
	if err := c.word(d, value); err != nil {
		return err
	}
	seen := false
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch {
		case d.Val() != option:
			return d.Errf("unrecognized %s option '%s'; accepted: %s", c.Option, d.Val(), option)
		case seen:
			return Repeated(d, option)
		}
		seen = true
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func (c Choice) word(d *caddyfile.Dispenser, value *string) error {
	if !d.AllArgs(value) {
		return WrongCount(d, c.Option+" "+english.Or(c.Words))
	}
	if c.Check(*value) != nil {
		return d.Errf("%s %s is not accepted; accepted: %s", c.Option, *value, english.Or(c.Words))
	}
	return nil
}

// Check refuses a value that is none of the words.
func (c Choice) Check(value string) error {
	if slices.Contains(c.Words, value) {
		return nil
	}
	return fmt.Errorf("%s %q is not accepted; accepted: %s", c.Option, value, english.Or(c.Words))
}

// Repeated is the error for an option that is given twice.
func Repeated(d *caddyfile.Dispenser, option string) error {
	return d.Errf("%s is already specified; it may be given once", option)
}
