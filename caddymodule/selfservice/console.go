// Package selfservice is the directive keygate_console: the management of keys in
// a site, for people who are signed in there. Package adminapi does the work; this
// one finds out who calls, and what the caller may do.
//
// It fails closed. A caller without a name or a workspace may do nothing, and so
// may one who comes with an API key: a key never makes keys.
package selfservice

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule"
	"github.com/socialpatra/keygate/console"
)

func init() {
	caddy.RegisterModule(new(Console))
}

// Console lets the members of a workspace manage its keys, below one path of a
// site. Requests for other paths go on to the next handler.
//
// It asks nobody to sign in. A handler before it must do that and say who the
// caller is: forward_auth, basic_auth or another authentication, or client
// certificates. If workspace or actor is a request header, that handler must set
// the header in every request that gets here, so that no client can.
type Console struct {
	// The path below which the API and the page are, such as
	// /settings/api-keys. Default: /.
	Base string `json:"base,omitempty"`

	// The workspace whose keys there are for the caller, with placeholders, such
	// as {http.request.header.X-Workspace}. It must come out as the name of
	// exactly one workspace; otherwise every request is answered 403. The word *
	// means all workspaces, and is for operators. Required.
	Workspace string `json:"workspace"`

	// Who the caller is, with placeholders, for the history of keys: 1 to 200
	// characters. If it comes out empty, every request is answered 403. Default:
	// {http.auth.user.id}, the user that basic_auth and other authentications
	// name.
	Actor string `json:"actor,omitempty"`

	// What the caller may do, of: list, create, update, rotate, disable (also
	// enable), revoke, delete, usage, history, explain. Default: all of it.
	May []adminapi.Verb `json:"may,omitempty"`

	// The scopes that keys may hold that are made or changed here. Default: all
	// that the catalogue and the routes of this config have.
	Scopes []string `json:"scopes,omitempty"`

	// When keys must expire. Default: never, unless the caller says so.
	Expiry ExpiryBounds `json:"expiry,omitzero"`

	// How many requests a key may make in a minute. Default: 60, and up to what
	// every key may have.
	PerMinute LimitBounds `json:"per_minute,omitzero"`

	// How many requests a key may make in a day. Default: 10,000, and up to what
	// every key may have.
	PerDay LimitBounds `json:"per_day,omitzero"`

	// How many keys a workspace may have that are not revoked and not expired.
	// Default: any number.
	Keys KeyBounds `json:"keys,omitzero"`

	// Whether keys have allowed origins: optional, required or forbidden.
	// Default: optional.
	Origins adminapi.Presence `json:"origins,omitempty"`

	// Whether keys have allowed addresses: optional, required or forbidden.
	// Default: optional.
	IPs adminapi.Presence `json:"ips,omitempty"`

	// Whether there is a page for people, besides the API: on or off. Default:
	// on.
	Page string `json:"page,omitempty"`

	// The heading of the page. Default: API keys.
	Title string `json:"title,omitempty"`

	app   *caddymodule.App
	cross *http.CrossOriginProtection
	page  *console.Page // nil: there is none
}

// CaddyModule returns the Caddy module information.
func (*Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.keygate_console",
		New: func() caddy.Module { return new(Console) },
	}
}

// Provision checks the configuration.
func (c *Console) Provision(ctx caddy.Context) error {
	app, err := ctx.App("keygate")
	if err != nil {
		return fmt.Errorf("loading the keygate app: %w", err)
	}
	c.app = app.(*caddymodule.App)
	c.cross = http.NewCrossOriginProtection()
	c.setDefaults()
	if err := c.check(); err != nil {
		return err
	}
	if c.Page == "on" {
		c.page, err = console.New(console.Options{API: c.app.API, Base: strings.TrimSuffix(c.Base, "/"), Title: c.Title, Now: time.Now})
	}
	return err
}

// apiPath is where the API is below the base.
const apiPath = "/api"

// ServeHTTP serves what is below the base.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	below, ok := c.below(r.URL.Path)
	if !ok {
		return next.ServeHTTP(w, r)
	}
	authority, err := c.authority(r)
	if below == apiPath || strings.HasPrefix(below, apiPath+"/") || c.page == nil {
		if err != nil {
			return c.refuse(w, r, http.StatusForbidden, err)
		}
		return c.serveAPI(w, r, below, authority)
	}
	inner := at(r, cmp.Or(below, "/"))
	if err != nil {
		c.app.ReportRefusal(r.URL.Path, http.StatusForbidden, err)
		c.page.Refuse(w, inner, http.StatusForbidden, err)
		return nil
	}
	c.page.Serve(w, inner, console.Visit{Authority: authority, Client: caddymodule.ClientAddr(r), Host: func() string { return cmp.Or(apiAddress(r), "https://api.example.com") }})
	return nil
}

// at returns the same request for another path.
func at(r *http.Request, path string) *http.Request {
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = path, ""
	return inner
}

var errNothingHere = errors.New("there is nothing here; the API is below api/, and api/openapi.yaml lists what it has")

// below returns the rest of a path below the base: "" or what begins with a
// slash.
func (c *Console) below(p string) (string, bool) {
	rest, ok := strings.CutPrefix(p, strings.TrimSuffix(c.Base, "/"))
	return rest, ok && (rest == "" || rest[0] == '/')
}

func (c *Console) serveAPI(w http.ResponseWriter, r *http.Request, below string, authority *adminapi.Authority) error {
	resource, ok := strings.CutPrefix(below, apiPath+"/")
	if !ok {
		return c.refuse(w, r, http.StatusNotFound, errNothingHere)
	}
	if err := c.cross.Check(r); err != nil {
		return c.refuse(w, r, http.StatusForbidden, errCrossOrigin)
	}
	api, err := c.app.API()
	if err != nil {
		return c.refuse(w, r, http.StatusServiceUnavailable, err)
	}
	answer := api.Do(authority, at(r, "/keygate/"+resource))
	if answer.Err != nil {
		c.app.ReportRefusal(r.URL.Path, answer.Status, answer.Err)
	}
	return answer.Send(w)
}

var errCrossOrigin = errors.New("a page of another site has sent this request, so nothing was changed; send it from this site")

// refuse answers with an error in the form of the API.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, status int, err error) error {
	c.app.ReportRefusal(r.URL.Path, status, err)
	w.Header().Set("Cache-Control", "no-store")
	adminapi.Refuse(w, status, err)
	return nil
}

// authority returns what the caller of a request may do. An error says why that
// is nothing.
func (c *Console) authority(r *http.Request) (*adminapi.Authority, error) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return nil, errors.New("nobody knows who calls")
	}
	if byKey(r, repl) {
		return nil, errByKey
	}
	a := &adminapi.Authority{Workspace: adminapi.AllWorkspaces, May: c.May, Via: "console"}
	if addr := caddymodule.ClientAddr(r); addr.IsValid() {
		a.Via += " " + addr.String()
	}
	var err error
	if c.Workspace != adminapi.AllWorkspaces {
		if a.Workspace, err = resolve(repl, "workspace", c.Workspace); err != nil {
			return nil, err
		}
		if err := apikey.CheckWorkspace(a.Workspace); err != nil {
			return nil, err // also "*", which only the config can say
		}
	}
	if a.Actor, err = resolve(repl, "actor", c.Actor); err != nil {
		return nil, err
	}
	if a.Bounds, err = c.boundsFor(repl); err != nil {
		return nil, err
	}
	return a, a.Check()
}

// errByKey refuses whoever comes with an API key.
var errByKey = errors.New("an API key cannot manage keys; sign in, and send no key")

// refused is a placeholder that has a value only if a keygate handler has refused
// the request, and taken its key off.
const refused = "http.auth.keygate.instance"

// byKey reports whether a request has an API key, or a keygate handler has let it
// in by one, or has refused it.
func byKey(r *http.Request, repl *caddy.Replacer) bool {
	for _, name := range []string{caddymodule.LetInByKey, refused} {
		if _, ok := repl.Get(name); ok {
			return true
		}
	}
	for _, values := range r.Header {
		if slices.ContainsFunc(values, apikey.ContainsToken) {
			return true
		}
	}
	return false
}

func (c *Console) checkBase() error {
	if !strings.HasPrefix(c.Base, "/") || path.Clean(c.Base) != c.Base || strings.ContainsAny(c.Base, "{}?#%*") {
		return fmt.Errorf("base %q is not accepted; accepted: a path such as /settings/api-keys, without a slash at its end", c.Base)
	}
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
)
