package leaks

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("keygate_plaintext", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(Plaintext)
		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterHandlerDirective("keygate_revocation", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(Revocation)
		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterHandlerDirective("keygate_leak_reports", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(LeakReports)
		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	// Nothing may answer before a credential in the clear is seen, not even redir.
	httpcaddyfile.RegisterDirectiveOrder("keygate_plaintext", httpcaddyfile.Before, "tracing")
	// The others come after what rewrites paths and before keygate and basic_auth:
	// whoever calls them has no key, or none that is to be let in.
	httpcaddyfile.RegisterDirectiveOrder("keygate_revocation", httpcaddyfile.After, "try_files")
	httpcaddyfile.RegisterDirectiveOrder("keygate_leak_reports", httpcaddyfile.After, "try_files")
}

// thens are the words of an option that says what is done about a key.
func thens(option string) caddyargs.Choice {
	return caddyargs.Choice{Option: option, Words: []string{adminapi.ThenReport, adminapi.ThenDisable, adminapi.ThenRevoke}}
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	keygate_plaintext [<matcher>] report|disable|revoke
func (h *Plaintext) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	return thens("keygate_plaintext").Read(d, &h.Then)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	keygate_revocation [<matcher>]
func (*Revocation) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	const form = "keygate_revocation with a matcher such as /oauth/revoke, or alone"
	if d.NextArg() {
		return caddyargs.WrongCount(d, form)
	}
	return caddyargs.NoBlock(d, form)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	keygate_leak_reports [<matcher>] github {
//		keys_url <url>
//		then     report|disable|revoke
//	}
//
// The block may be left out. Every option may be given once.
func (h *LeakReports) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if !d.AllArgs(&h.From) {
		return caddyargs.WrongCount(d, "keygate_leak_reports github, also behind a matcher such as /leaks")
	}
	if err := senders.Check(h.From); err != nil {
		return d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return caddyargs.Repeated(d, option)
		}
		seen[option] = true
		var err error
		switch option {
		case "keys_url":
			err = caddyargs.Checked(d, &h.KeysURL, checkKeysURL, "keys_url <url>, such as "+githubKeys)
		case "then":
			err = thens(option).Read(d, &h.Then)
		default:
			err = d.Errf("unrecognized keygate_leak_reports option '%s'; accepted: keys_url, then", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interface guards.
var (
	_ caddyfile.Unmarshaler = (*Plaintext)(nil)
	_ caddyfile.Unmarshaler = (*Revocation)(nil)
	_ caddyfile.Unmarshaler = (*LeakReports)(nil)
)
