package caddymodule

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/caddymodule/identity"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("keygate", parseHandler)
	// The directive runs after rewrite and uri, so that what is authorised is
	// what the backend will see.
	httpcaddyfile.RegisterDirectiveOrder("keygate", httpcaddyfile.Before, "basic_auth")
}

func parseHandler(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	keygate [<matcher>] {
//		scope <scopes> <methods> <pattern> [cost=<n>] [websocket]
//		scope <scopes> {
//			<methods> <pattern> [cost=<n>] [websocket]
//		}
//		authenticated <methods> <pattern> [options...]   # or a block
//		public        <methods> <pattern> [options...]   # or a block
//		deny          <methods> <pattern>                # or a block
//		openapi       <file> {
//			scheme    <name>
//			base_path <path>
//			scope_map <scope of the document> <scopes...>   # or <file>
//			default   authenticated|public|deny|scope <scopes>
//		}
//
//		header            <name>
//		missing_origin    deny|allow
//		identity_prefix   <prefix>
//		errors            problem|caddy
//		auth_failures     <per minute>|off
//		ratelimit_headers on|off
//		authorize         forward_auth|auth_request|ext_authz {
//			path_prefix <path>   # with ext_authz
//		}
//		mode              enforce|report
//		foreign           deny|pass
//		resource_metadata <url>
//		websocket_token   off|subprotocol
//		cors off
//		cors {
//			allow_headers  <names...>
//			expose_headers <names...>
//			max_age        <duration>
//		}
//	}
//
// A key needs all of the scopes. A | separates alternatives, of which a key needs
// one: posts:write media:upload | posts:approve. Several methods are joined by
// commas, and * means any method. Every option except the route lines and openapi
// may be given once. See [Handler] and [Route] for the values.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if d.NextArg() {
		return d.Errf("keygate has '%s' before its block; accepted: a matcher such as /v1/* or @name, or nothing", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		switch option {
		case "scope", "authenticated", "public", "deny":
			if err := h.unmarshalRoutes(d, option); err != nil {
				return err
			}
			continue
		case "openapi":
			if err := h.unmarshalOpenAPI(d); err != nil {
				return err
			}
			continue
		}
		if seen[option] {
			return caddyargs.Repeated(d, option)
		}
		seen[option] = true
		if err := h.unmarshalOption(d, option); err != nil {
			return err
		}
		if err := h.checkAuthorize(); err != nil {
			return d.WrapErr(err)
		}
	}
	if !slices.ContainsFunc(h.Routes, func(r Route) bool { return r.Access != string(access.Denied) }) && len(h.OpenAPI) == 0 {
		return d.Err("keygate has no routes, so that it would deny every request; add lines such as: scope posts:read GET /v1/posts")
	}
	// Each route was checked alone, so the only error left is two equal routes.
	// Whether documents let anything pass is checked where they are read.
	var twice *access.RouteError
	if _, err := access.NewTable(accessRoutes(h.Routes)); errors.As(err, &twice) {
		return fmt.Errorf("%s, at %s", twice.Problem, twice.Where)
	}
	return nil
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "header":
		return caddyargs.Checked(d, &h.Header, checkKeyHeader, "header <name>, such as X-API-Key")
	case "missing_origin":
		return missingOrigins.Read(d, &h.MissingOrigin)
	case "identity_prefix":
		return caddyargs.Checked(d, &h.IdentityPrefix, identity.CheckPrefix, "identity_prefix <prefix>, such as SocialPatra-")
	case "errors":
		return denialWriters.Read(d, &h.Errors)
	case "ratelimit_headers":
		return rateLimitHeaders.Read(d, &h.RateLimitHeaders)
	case "authorize":
		return h.unmarshalAuthorize(d)
	case "mode":
		return modes.Read(d, &h.Mode)
	case "foreign":
		return foreigns.Read(d, &h.Foreign)
	case "resource_metadata":
		return caddyargs.Checked(d, &h.ResourceMetadata, checkResourceMetadata, "resource_metadata <url>, such as https://api.example.com/.well-known/oauth-protected-resource")
	case "websocket_token":
		return webSocketTokens.Read(d, &h.WebSocketToken)
	case "auth_failures":
		return h.unmarshalAuthFailures(d)
	case "cors":
		return h.unmarshalCORS(d)
	default:
		return d.Errf("unrecognized keygate option '%s'; accepted: scope, authenticated, public, deny, openapi, header, missing_origin, identity_prefix, errors, auth_failures, ratelimit_headers, authorize, mode, foreign, resource_metadata, websocket_token, cors", option)
	}
}

func (h *Handler) unmarshalAuthFailures(d *caddyfile.Dispenser) error {
	var value string
	if err := caddyargs.One(d, &value, "auth_failures <failures per minute>, or auth_failures off"); err != nil {
		return err
	}
	if value == "off" {
		h.AuthFailures = -1
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxAuthFailures {
		return d.Errf("auth_failures %s is not accepted; accepted: 1–1000000 per minute, or off", value)
	}
	h.AuthFailures = n
	return nil
}

func (h *Handler) unmarshalCORS(d *caddyfile.Dispenser) error {
	h.CORS = new(CORS)
	if d.NextArg() {
		if d.Val() != "off" || d.NextArg() {
			return d.Err("cors takes a block, or the word off; accepted in the block: allow_headers, expose_headers, max_age")
		}
		h.CORS.Off = true
		return nil
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return caddyargs.Repeated(d, "cors "+option)
		}
		seen[option] = true
		switch option {
		case "allow_headers":
			h.CORS.AllowHeaders = d.RemainingArgs()
			if len(h.CORS.AllowHeaders) == 0 {
				return caddyargs.WrongCount(d, "allow_headers <name>..., such as Content-Type")
			}
		case "expose_headers":
			h.CORS.ExposeHeaders = d.RemainingArgs()
			if len(h.CORS.ExposeHeaders) == 0 {
				return caddyargs.WrongCount(d, "expose_headers <name>..., such as X-Total")
			}
		case "max_age":
			var value string
			if err := caddyargs.One(d, &value, "max_age <duration>, up to 24h, such as 10m"); err != nil {
				return err
			}
			age, err := caddy.ParseDuration(value)
			if err != nil || age == 0 {
				return d.Errf("cors max_age %s is not accepted; accepted: from 1s up to 24h, such as 10m", value)
			}
			h.CORS.MaxAge = caddy.Duration(age)
		default:
			return d.Errf("unrecognized cors option '%s'; accepted: allow_headers, expose_headers, max_age", option)
		}
		if err := h.CORS.check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// unmarshalRoutes parses one route on a line, or a block of routes. The dispenser
// is at the word scope, authenticated, public or deny.
func (h *Handler) unmarshalRoutes(d *caddyfile.Dispenser, word string) error {
	template := Route{}
	if word != "scope" {
		template.Access = word
	}
	args := d.RemainingArgs()
	if word == "scope" {
		sets, rest := scopeSets(args)
		if slices.ContainsFunc(sets, func(set []string) bool { return len(set) == 0 }) {
			return d.Err("scope needs one scope or several, such as posts:write, before the method, and after each |")
		}
		template.Scopes, template.OrScopes, args = sets[0], sets[1:], rest
	}
	if len(args) > 0 {
		return h.unmarshalRoute(d, template, args)
	}
	before := len(h.Routes)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := h.unmarshalRoute(d, template, append([]string{d.Val()}, d.RemainingArgs()...)); err != nil {
			return err
		}
	}
	if len(h.Routes) == before {
		return d.Errf("%s has no routes; accepted: a method and a path, such as GET /v1/posts, or a block of such lines", word)
	}
	return nil
}

// scopeSets reads the scopes at the start of args, as sets separated by |. The
// last set is empty if | comes last.
func scopeSets(args []string) (sets [][]string, rest []string) {
	var set []string
	for i, arg := range args {
		switch {
		case arg == "|":
			sets, set = append(sets, set), nil
		case strings.Contains(arg, ":") && !strings.HasPrefix(arg, "/"):
			set = append(set, arg)
		default:
			return append(sets, set), args[i:]
		}
	}
	return append(sets, set), nil
}

// unmarshalRoute parses <methods> <pattern> [options...].
func (h *Handler) unmarshalRoute(d *caddyfile.Dispenser, route Route, args []string) error {
	if len(args) < 2 {
		return d.Errf("a route is a method and a path, such as GET /v1/posts; here is only %s", strings.Join(args, " "))
	}
	route.Methods = strings.Split(args[0], ",")
	route.Path = args[1]
	route.Source = fmt.Sprintf("%s:%d", filepath.Base(d.File()), d.Line())
	if err := checkRoute(d, &route); err != nil {
		return err
	}
	for _, option := range args[2:] {
		cost, isCost := strings.CutPrefix(option, "cost=")
		switch {
		case isCost && route.Cost != 0, option == "websocket" && route.WebSocket:
			return caddyargs.Repeated(d, "route option "+option)
		case isCost:
			n, err := strconv.Atoi(cost)
			if err != nil || n < 1 || n > 1000 {
				return d.Errf("cost=%s is not accepted; accepted: cost=1 to cost=1000", cost)
			}
			route.Cost = n
		case option == "websocket":
			route.WebSocket = true
		default:
			return d.Errf("unrecognized route option '%s'; accepted: cost=<n>, websocket", option)
		}
	}
	if route.Cost > 0 && route.Access == string(access.Public) {
		return d.Errf("%s %s: a public route charges nobody; leave cost=%d out", strings.Join(route.Methods, ","), route.Path, route.Cost)
	}
	if err := checkRoute(d, &route); err != nil { // with its options
		return err
	}
	h.Routes = append(h.Routes, route)
	return caddyargs.NoBlock(d, "<methods> <pattern> [cost=<n>] [websocket]")
}

func checkRoute(d *caddyfile.Dispenser, r *Route) error {
	route := r.accessRoute()
	if wrong := route.Check(); wrong != nil {
		return d.Errf("%s %s: %s", strings.Join(r.Methods, ","), r.Path, wrong.Problem)
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*Handler)(nil)
