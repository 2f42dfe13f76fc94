package selfservice

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("keygate_console", parseConsole)
	// It answers, so it comes after every directive that signs people in.
	httpcaddyfile.RegisterDirectiveOrder("keygate_console", httpcaddyfile.Before, "respond")
}

func parseConsole(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	console := new(Console)
	return console, console.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	keygate_console [<matcher>] {
//		base       <path>
//		workspace  <workspace>|*
//		actor      <actor>
//		may        <verbs...>
//		scopes     <scopes...>
//		expiry     [default=<days>d] [max=<days>d] [required]
//		per_minute [default=<n>] [max=<n>]
//		per_day    [default=<n>] [max=<n>]
//		keys       max=<n>
//		origins    optional|required|forbidden
//		ips        optional|required|forbidden
//		page       on|off
//		title      <text>
//	}
//
// Every option may be given once. See [Console] for the values.
func (c *Console) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if d.NextArg() {
		return d.Errf("keygate_console has '%s' before its block; accepted: a matcher such as @name, or nothing", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return caddyargs.Repeated(d, option)
		}
		seen[option] = true
		if err := c.unmarshalOption(d, option); err != nil {
			return err
		}
		checked := *c
		checked.setDefaults()
		if checked.Workspace == "" {
			checked.Workspace = adminapi.AllWorkspaces // asked for below
		}
		if err := checked.check(); err != nil {
			return d.WrapErr(err)
		}
	}
	if c.Workspace == "" {
		return d.WrapErr(c.check())
	}
	return nil
}

func (c *Console) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "base":
		return text(d, option, &c.Base, "base <path>, such as /settings/api-keys")
	case "workspace":
		return caddyargs.One(d, &c.Workspace, "workspace <workspace>, such as {http.request.header.X-Workspace}, or workspace *")
	case "actor":
		return text(d, option, &c.Actor, "actor <actor>, such as {http.request.header.X-User}")
	case "may":
		var names []string
		if err := words(d, &names, "may <verbs...>, of "+verbNames()); err != nil {
			return err
		}
		for _, name := range names {
			c.May = append(c.May, adminapi.Verb(name))
		}
		return nil
	case "scopes":
		return words(d, &c.Scopes, "scopes <scopes...>, such as posts:read posts:write")
	case "expiry":
		return pairs(d, "expiry default=90d max=365d required, or some of these", map[string]*string{"default": &c.Expiry.Default, "max": &c.Expiry.Max}, map[string]*bool{"required": &c.Expiry.Required})
	case "per_minute":
		return pairs(d, "per_minute default=60 max=600, or one of the two", map[string]*string{"default": &c.PerMinute.Default, "max": &c.PerMinute.Max}, nil)
	case "per_day":
		return pairs(d, "per_day default=10000 max=100000, or one of the two", map[string]*string{"default": &c.PerDay.Default, "max": &c.PerDay.Max}, nil)
	case "keys":
		return pairs(d, "keys max=25", map[string]*string{"max": &c.Keys.Max}, nil)
	case "origins":
		return origins.Read(d, (*string)(&c.Origins))
	case "ips":
		return ips.Read(d, (*string)(&c.IPs))
	case "page":
		return pages.Read(d, &c.Page)
	case "title":
		return text(d, option, &c.Title, `title <text>, such as title "API keys"`)
	default:
		return d.Errf("unrecognized keygate_console option '%s'; accepted: base, workspace, actor, may, scopes, expiry, per_minute, per_day, keys, origins, ips, page, title", option)
	}
}

// text reads an argument that is not empty, as one would be whose environment
// variable is not set: an option that is written never means its default.
func text(d *caddyfile.Dispenser, option string, value *string, form string) error {
	if err := caddyargs.One(d, value, form); err != nil {
		return err
	}
	if *value == "" {
		return d.Errf("%s is empty; accepted: %s", option, form)
	}
	return nil
}

// words reads one argument or more.
func words(d *caddyfile.Dispenser, list *[]string, form string) error {
	if *list = d.RemainingArgs(); len(*list) == 0 {
		return caddyargs.WrongCount(d, form)
	}
	return caddyargs.NoBlock(d, form)
}

// pairs reads arguments of the form name=value, and words that stand alone, each
// at most once and at least one of them.
func pairs(d *caddyfile.Dispenser, form string, values map[string]*string, flags map[string]*bool) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return caddyargs.WrongCount(d, form)
	}
	for _, arg := range args {
		name, value, isPair := strings.Cut(arg, "=")
		switch dst, flag := values[name], flags[name]; {
		case isPair && dst != nil && *dst == "" && value != "":
			*dst = value
		case !isPair && flag != nil && !*flag:
			*flag = true
		default:
			return d.Errf("'%s' is not accepted; accepted: %s, each once", arg, form)
		}
	}
	return caddyargs.NoBlock(d, form)
}

var _ caddyfile.Unmarshaler = (*Console)(nil)
