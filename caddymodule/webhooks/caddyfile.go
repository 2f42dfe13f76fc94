// Package webhooks joins package webhook to Caddy: the option of the Caddyfile, secrets
// from placeholders, and metrics.
package webhooks

import (
	"regexp"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/webhook"
)

// Errors repeat no URL and nothing that could be a secret in a wrong place.
const form = "webhook <url> { secret {file./run/secrets/webhook} }"

var optionName = regexp.MustCompile(`^[a-z]{1,16}$`)

// Unmarshal parses the option webhook, on which d stands, and adds it to others:
//
//	webhook <url> {
//		secret {env.NAME}|{file.PATH}   # twice while it is being changed
//		events <event>...               # default: all
//	}
func Unmarshal(d *caddyfile.Dispenser, others *[]webhook.Config) error {
	var c webhook.Config
	if !d.Args(&c.URL) || d.NextArg() {
		return d.Errf("wrong argument count after 'webhook'; accepted: %s", form)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch option := d.Val(); option {
		case "secret":
			var secret string
			if !d.AllArgs(&secret) || d.NextBlock(d.Nesting()) {
				return d.Err("wrong arguments after 'secret'; accepted: secret {env.NAME} or {file.PATH}, without a block")
			}
			c.Secrets = append(c.Secrets, secret)
		case "events":
			if c.Events != nil {
				return caddyargs.Repeated(d, "webhook "+option)
			}
			if c.Events = d.RemainingArgs(); len(c.Events) == 0 {
				return caddyargs.WrongCount(d, "events <event>..., such as events key.revoked key.leaked")
			}
			if err := caddyargs.NoBlock(d, "events <event>..."); err != nil {
				return err
			}
		default:
			if !optionName.MatchString(option) {
				option = "…"
			}
			return d.Errf("unrecognized option '%s' of webhook; accepted: secret, events", option)
		}
	}
	*others = append(*others, c)
	if err := check(*others); err != nil {
		return d.WrapErr(err)
	}
	return nil
}
