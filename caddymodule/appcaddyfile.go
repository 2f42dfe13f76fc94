package caddymodule

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/caddymodule/webhooks"
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
//			audit_retention <duration>      # 400d
//			workspace_limits <n>/min <n>/day    # or one of the two
//			gc_headroom <size>              # 64MiB
//			webhook <url> { … }                 # see webhooks.Unmarshal
//		}
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // so that errors have a position
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
		return d.Errf("the global option keygate has '%s' before its block; accepted: nothing", d.Val())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch option := d.Val(); option {
		case "store":
			if a.StoreRaw != nil {
				return caddyargs.Repeated(d, option)
			}
			if !d.NextArg() {
				return caddyargs.WrongCount(d, "store <module>, such as store bbolt ./data/keygate.db")
			}
			name := d.Val()
			if _, err := caddy.GetModule("keygate.stores." + name); err != nil {
				return d.Errf("unrecognized store '%s'; accepted: %s", name, strings.Join(storeNames(), ", "))
			}
			module, err := caddyfile.UnmarshalModule(d, "keygate.stores."+name)
			if err != nil {
				return err
			}
			a.StoreRaw = caddyconfig.JSONModuleObject(module, "module", name, nil)
		case "key_prefix":
			if a.KeyPrefix != "" {
				return caddyargs.Repeated(d, option)
			}
			if err := caddyargs.Checked(d, &a.KeyPrefix, apikey.CheckBrand, "key_prefix <brand>, such as patra"); err != nil {
				return err
			}
		case "audit_retention":
			if a.AuditRetention != 0 {
				return caddyargs.Repeated(d, option)
			}
			if err := caddyargs.Duration(d, option, &a.AuditRetention, "a day or more, such as 400d"); err != nil {
				return err
			}
			if err := checkRetention(time.Duration(a.AuditRetention)); err != nil {
				return d.WrapErr(err)
			}
		case "workspace_limits":
			if !a.WorkspaceLimits.IsZero() {
				return caddyargs.Repeated(d, option)
			}
			args := d.RemainingArgs()
			if len(args) == 0 {
				return caddyargs.WrongCount(d, "workspace_limits 600/min 100000/day, or one of the two")
			}
			limits, err := parseWorkspaceLimits(args)
			if err != nil {
				return d.WrapErr(err)
			}
			a.WorkspaceLimits = limits
		case "gc_headroom":
			if a.GCHeadroom != 0 {
				return caddyargs.Repeated(d, option)
			}
			if err := caddyargs.Bytes(d, option, &a.GCHeadroom, "1MiB to 64GiB"); err != nil {
				return err
			}
			if err := checkHeadroom(a.GCHeadroom); err != nil {
				return d.WrapErr(err)
			}
		case "webhook":
			if err := webhooks.Unmarshal(d, &a.Webhooks); err != nil {
				return err
			}
		default:
			return d.Errf("unrecognized keygate option '%s'; accepted: store, key_prefix, audit_retention, workspace_limits, gc_headroom, webhook", option)
		}
	}
	return nil
}

// parseWorkspaceLimits reads <n>/min and <n>/day, in either order.
func parseWorkspaceLimits(args []string) (apikey.WorkspaceLimits, error) {
	const accepted = "accepted: 600/min, 100000/day or both, each once"
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
	limits, err := apikey.CheckWorkspaceLimits(perMinute, perDay)
	if err != nil {
		return apikey.WorkspaceLimits{}, fmt.Errorf("workspace_limits: %w", err)
	}
	return limits, nil
}

// storeNames lists the stores built into this binary.
func storeNames() (names []string) {
	for _, module := range caddy.GetModules("keygate.stores") {
		names = append(names, module.ID.Name())
	}
	return names
}

var _ caddyfile.Unmarshaler = (*App)(nil)
