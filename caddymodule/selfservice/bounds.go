package selfservice

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

// ExpiryBounds say when keys expire. A value is a number of days such as 90d, 1d
// to 3650d, or a placeholder for one.
type ExpiryBounds struct {
	// That of keys which are made without an expiry. Default: never.
	Default string `json:"default,omitempty"`

	// How far ahead an expiry may be when it is set; keys must have one then.
	// Default: any, and never.
	Max string `json:"max,omitempty"`

	// Whether keys must expire. Default: false.
	Required bool `json:"required,omitempty"`
}

// LimitBounds bound a limit. A value is a whole number, or a placeholder for one,
// so that it can follow the customer's plan.
type LimitBounds struct {
	// That of keys which are made without this limit. Default: that of every key,
	// 60 per minute and 10,000 per day.
	Default string `json:"default,omitempty"`

	// The highest that keys may have. Default: 1,000,000 per minute, and
	// 1,000,000,000 per day.
	Max string `json:"max,omitempty"`
}

// KeyBounds bound how many keys a workspace has.
type KeyBounds struct {
	// A whole number from 1 to 1,000,000, or a placeholder for one. Default: any
	// number of keys.
	Max string `json:"max,omitempty"`
}

const defaultActor = "{http.auth.user.id}"

var (
	pages     = caddyargs.Choice{Option: "page", Words: []string{"on", "off"}}
	presences = []string{string(adminapi.Optional), string(adminapi.Required), string(adminapi.Forbidden)}
	origins   = caddyargs.Choice{Option: "origins", Words: presences}
	ips       = caddyargs.Choice{Option: "ips", Words: presences}
)

func (c *Console) setDefaults() {
	c.Base = cmp.Or(c.Base, "/")
	c.Actor = cmp.Or(c.Actor, defaultActor)
	c.Page = cmp.Or(c.Page, pages.Words[0])
	c.Title = cmp.Or(c.Title, "API keys")
	c.Origins = cmp.Or(c.Origins, adminapi.Optional)
	c.IPs = cmp.Or(c.IPs, adminapi.Optional)
	if c.May == nil {
		c.May = adminapi.Verbs()
	}
}

// check refuses what can be known to be wrong before a request comes.
func (c *Console) check() error {
	if c.Workspace == "" {
		return errors.New("keygate_console needs workspace; accepted: a placeholder for the workspace of who is signed in, such as {http.request.header.X-Workspace}, or * for all")
	}
	if err := c.checkBase(); err != nil {
		return err
	}
	if c.Workspace != adminapi.AllWorkspaces && !isDynamic(c.Workspace) {
		if err := apikey.CheckWorkspace(c.Workspace); err != nil {
			return err
		}
	}
	if !isDynamic(c.Actor) {
		if err := apikey.CheckActor(c.Actor); err != nil {
			if field, ok := errors.AsType[*apikey.FieldError](err); ok {
				err = &apikey.FieldError{Field: "actor", Problem: field.Problem, Accepted: field.Accepted}
			}
			return err
		}
	}
	for i, verb := range c.May {
		if !slices.Contains(adminapi.Verbs(), verb) {
			return fmt.Errorf("may %q is not accepted; accepted: %s", verb, verbNames())
		}
		if slices.Contains(c.May[:i], verb) {
			return fmt.Errorf("may has %s twice; each may be given once", verb)
		}
	}
	for i, scope := range c.Scopes {
		if err := apikey.CheckScope(scope); err != nil {
			return err
		}
		if slices.Contains(c.Scopes[:i], scope) {
			return fmt.Errorf("scopes has %s twice; each may be given once", scope)
		}
	}
	for _, choice := range []struct {
		caddyargs.Choice
		value string
	}{{pages, c.Page}, {origins, string(c.Origins)}, {ips, string(c.IPs)}} {
		if err := choice.Check(choice.value); err != nil {
			return err
		}
	}
	_, err := c.boundsFor(nil)
	return err
}

func verbNames() string {
	var names []string
	for _, verb := range adminapi.Verbs() {
		names = append(names, string(verb))
	}
	return strings.Join(names, ", ")
}

func isDynamic(text string) bool { return strings.Contains(text, "{") }

// boundsFor returns the bounds for a request, of which repl knows the
// placeholders. Without repl, it checks those that are no placeholders.
func (c *Console) boundsFor(repl *caddy.Replacer) (adminapi.Bounds, error) {
	b := adminapi.Bounds{Scopes: c.Scopes, Origins: c.Origins, IPs: c.IPs}
	b.Expiry.Required = c.Expiry.Required
	days := func(dst *int, name, text string) error {
		return number(repl, name, text, "d", apikey.MaxExpiryDays, func(n int64) { *dst = int(n) })
	}
	limit := func(dst *int64, name, text string, most int64) error {
		return number(repl, name, text, "", most, func(n int64) { *dst = n })
	}
	var keys int64
	err := errors.Join(
		days(&b.Expiry.Default, "expiry default", c.Expiry.Default),
		days(&b.Expiry.Max, "expiry max", c.Expiry.Max),
		limit(&b.PerMinute.Default, "per_minute default", c.PerMinute.Default, apikey.MaxPerMinute),
		limit(&b.PerMinute.Max, "per_minute max", c.PerMinute.Max, apikey.MaxPerMinute),
		limit(&b.PerDay.Default, "per_day default", c.PerDay.Default, apikey.MaxPerDay),
		limit(&b.PerDay.Max, "per_day max", c.PerDay.Max, apikey.MaxPerDay),
		limit(&keys, "keys max", c.Keys.Max, maxKeys),
	)
	b.Keys = int(keys)
	if err != nil {
		return adminapi.Bounds{}, err
	}
	return b, nil
}

// maxKeys is the highest bound on the keys of a workspace that is accepted.
const maxKeys = 1_000_000

// number reads a bound: a number from 1 to most with its unit, unless text is "".
// A placeholder that comes out as anything else is an error: no bound may get lost.
func number(repl *caddy.Replacer, name, text, unit string, most int64, set func(int64)) error {
	if text == "" || repl == nil && isDynamic(text) {
		return nil
	}
	value := text
	if repl != nil {
		var err error
		if value, err = resolve(repl, name, text); err != nil {
			return err
		}
	}
	digits, hasUnit := strings.CutSuffix(value, unit)
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !hasUnit || n < 1 || n > most || digits[0] == '+' {
		return fmt.Errorf("%s %s is not accepted; accepted: 1%s to %d%s", name, apikey.Quote(value), unit, most, unit)
	}
	set(n)
	return nil
}

// resolve replaces the placeholders of a value. All must be known and have a
// value.
func resolve(repl *caddy.Replacer, name, text string) (string, error) {
	value, err := repl.ReplaceOrErr(text, true, true)
	if err != nil {
		return "", fmt.Errorf("the sign-in does not say which %s this is for; sign in again, or ask who runs this site", name)
	}
	return value, nil
}
