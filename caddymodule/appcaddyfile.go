package caddymodule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/socialpatra/keygate/apikey"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("keygate", parseApp)
}

// parseApp parses the global option:
//
//	{
//		keygate {
//			store <module> [<arguments…>]   # bbolt [<path>]
//			key_prefix <brand>
//			audit_retention <duration>           # 400d
//			workspace_limits <n>/min [<n>/day]   # or either of the two
//		}
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // for the error to have a place
		return nil, d.Err("the global option keygate is already specified; merge the two blocks")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "keygate", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens; see [parseApp].
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch option := d.Val(); option {
		case "store":
			if a.StoreRaw != nil {
				return alreadySpecified(d, option)
			}
			if !d.NextArg() {
				return d.ArgErr()
			}
			name := d.Val()
			module, err := caddyfile.UnmarshalModule(d, "keygate.stores."+name)
			if err != nil {
				return err
			}
			a.StoreRaw = caddyconfig.JSONModuleObject(module, "module", name, nil)
		case "key_prefix":
			if a.KeyPrefix != "" {
				return alreadySpecified(d, option)
			}
			if !d.AllArgs(&a.KeyPrefix) {
				return d.ArgErr()
			}
			if err := apikey.CheckBrand(a.KeyPrefix); err != nil {
				return d.WrapErr(err)
			}
		case "audit_retention":
			if a.AuditRetention != 0 {
				return alreadySpecified(d, option)
			}
			var value string
			if !d.AllArgs(&value) {
				return d.ArgErr()
			}
			retention, err := caddy.ParseDuration(value)
			if err != nil {
				return d.Errf("audit_retention: %v", err)
			}
			if err := checkRetention(retention); err != nil {
				return d.WrapErr(err)
			}
			a.AuditRetention = caddy.Duration(retention)
		case "workspace_limits":
			if !a.WorkspaceLimits.IsZero() {
				return alreadySpecified(d, option)
			}
			limits, err := parseWorkspaceLimits(d.RemainingArgs())
			if err != nil {
				return d.WrapErr(err)
			}
			a.WorkspaceLimits = limits
		default:
			return d.Errf("unrecognized keygate option '%s'; accepted: store, key_prefix, audit_retention, workspace_limits", option)
		}
	}
	return nil
}

// parseWorkspaceLimits reads <n>/min and <n>/day, in any order.
func parseWorkspaceLimits(args []string) (apikey.WorkspaceLimits, error) {
	const accepted = "accepted: 600/min, 100000/day or both"
	var perMinute, perDay *int64
	for _, arg := range args {
		number, unit, _ := strings.Cut(arg, "/")
		limit := map[string]**int64{"min": &perMinute, "day": &perDay}[unit]
		n, err := strconv.ParseInt(number, 10, 64)
		if limit == nil || err != nil || *limit != nil {
			return apikey.WorkspaceLimits{}, fmt.Errorf("workspace_limits %s is not accepted; %s", strings.Join(args, " "), accepted)
		}
		*limit = &n
	}
	if len(args) == 0 {
		return apikey.WorkspaceLimits{}, errors.New("workspace_limits takes at least one limit; " + accepted)
	}
	limits, err := apikey.CheckWorkspaceLimits(perMinute, perDay)
	if err != nil {
		return apikey.WorkspaceLimits{}, fmt.Errorf("workspace_limits: %w", err)
	}
	return limits, nil
}

func alreadySpecified(d *caddyfile.Dispenser, option string) error {
	return d.Errf("%s is already specified", option)
}

var _ caddyfile.Unmarshaler = (*App)(nil)
