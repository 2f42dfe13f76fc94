package caddymodule

import (
	"fmt"
	"net/http"
	"net/textproto"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/internal/headers"
	"github.com/socialpatra/keygate/internal/logthrottle"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler authenticates requests by API key, authorises them by route, and limits
// their rate. A request that passes carries the key's workspace, ID and scopes in
// headers, and no credential. A request that is refused never reaches the
// handlers behind.
//
// Method and path are judged as they are when the request gets here. So the
// handler belongs after everything that rewrites them, right before what serves.
type Handler struct {
	// Which requests pass, and what they need. A request that matches no route
	// is denied. The most specific path wins, never the order. Required, at
	// least one, unless there is an openapi document.
	Routes []Route `json:"routes,omitempty"`

	// OpenAPI documents of the backend to import routes from. They are read when
	// the config is loaded. The routes above take precedence over imported ones,
	// even over more specific ones. Default: none.
	OpenAPI []OpenAPI `json:"openapi,omitempty"`

	// A header that may carry the token instead of Authorization: Bearer, such as
	// X-API-Key; up to 64 characters. On a request with this header,
	// Authorization with another scheme, such as Basic, is for the backend and
	// passes. Caddy's access logs show the header's values unless a log filter
	// removes them; they never show those of Authorization. Default: none.
	Header string `json:"header,omitempty"`

	// What to do with a request without Origin when its key has
	// allowed_origins: deny or allow. Default: deny.
	MissingOrigin string `json:"missing_origin,omitempty"`

	// The beginning of the identity headers to the backend; Workspace, Key-Id and
	// Scopes follow it. 2–32 letters, digits and dashes, beginning with a
	// letter and ending in a dash. Every header of the client that begins with it
	// is removed. Default: SocialPatra-.
	IdentityPrefix string `json:"identity_prefix,omitempty"`

	// Who writes the denials: problem (Keygate, as application/problem+json) or
	// caddy (the server's error routes, with {http.error.status_code} and the
	// code of the denial in {http.auth.keygate.reason}). Default: problem.
	Errors string `json:"errors,omitempty"`

	// How many failed authentications a client address (for IPv6 its /64) may
	// have per minute before it is answered 429, from 1 to 1,000,000; -1 turns
	// this off. A valid key is never refused because of it, except one with an
	// imported token of another system: over the limit, such tokens are not
	// looked up. Default: 60.
	AuthFailures int `json:"auth_failures,omitempty"`

	// Whether responses to authenticated keys carry RateLimit and
	// RateLimit-Policy: on or off. Default: on.
	RateLimitHeaders string `json:"ratelimit_headers,omitempty"`

	// How browser pages may call. Default: preflights are answered here, and
	// pages may call from any origin that their key allows.
	CORS *CORS `json:"cors,omitempty"`

	// Makes the handler an authorisation endpoint, which judges the request that
	// a proxy asks about and passes nothing on. forward_auth reads that request
	// from X-Forwarded-Method and X-Forwarded-Uri, as Caddy's forward_auth sends
	// them. auth_request reads it from X-Original-Method and X-Original-URI,
	// which nginx can be configured to send. Only proxies in the server's
	// trusted_proxies are answered: with 204 and the identity headers, or with
	// the denial. CORS is left to the proxy. Default: the request itself is
	// judged, and passed on.
	Authorize string `json:"authorize,omitempty"`

	app      *App
	logger   *zap.Logger
	events   events
	policy   access.Policy // without Keys, which only the open store has
	identity identity
	cors     corsHeaders
	caching  caching
	front    frontHeaders
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.keygate",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision checks the configuration and builds the route table.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	app, err := ctx.App("keygate")
	if err != nil {
		return fmt.Errorf("loading the keygate app: %w", err)
	}
	h.app = app.(*App)
	if h.events, err = newEvents(ctx); err != nil {
		return err
	}

	if err := h.setDefaults(); err != nil {
		return err
	}
	g, err := h.mapping()
	if err != nil {
		return err
	}
	report(&g, h.logger)
	g.Policy.Brand = h.app.KeyPrefix
	h.policy = g.Policy
	h.app.mappings = append(h.app.mappings, g)
	h.identity = newIdentity(h.IdentityPrefix, h.Header)
	h.cors = newCORSHeaders(h.CORS, h.Header)
	h.caching = newCaching(h.Header)
	h.front = frontHeadersOf[h.Authorize]
	if h.Header != "" {
		h.logger.Warn("tokens in this header are written to access logs unless a log filter takes them out; Authorization never is",
			zap.String("header", h.Header))
	}
	return nil
}

// Options whose value is one of several words. The first word is the default.
var (
	missingOrigins   = caddyargs.Choice{Option: "missing_origin", Words: []string{"deny", "allow"}}
	denialWriters    = caddyargs.Choice{Option: "errors", Words: []string{"problem", "caddy"}}
	rateLimitHeaders = caddyargs.Choice{Option: "ratelimit_headers", Words: []string{"on", "off"}}
)

// maxAuthFailures is the highest accepted budget of failed authentications of a
// client per minute.
const maxAuthFailures = 1_000_000

const defaultIdentityPrefix = "SocialPatra-"

func (h *Handler) setDefaults() error {
	if h.Header != "" {
		if err := checkKeyHeader(h.Header); err != nil {
			return err
		}
		h.Header = textproto.CanonicalMIMEHeaderKey(h.Header)
	}
	if h.IdentityPrefix == "" {
		h.IdentityPrefix = defaultIdentityPrefix
	}
	if err := checkIdentityPrefix(h.IdentityPrefix); err != nil {
		return err
	}
	h.IdentityPrefix = textproto.CanonicalMIMEHeaderKey(h.IdentityPrefix)
	if h.AuthFailures == 0 {
		h.AuthFailures = 60
	}
	if h.AuthFailures < -1 || h.AuthFailures > maxAuthFailures {
		return fmt.Errorf("auth_failures %d is not accepted; accepted: 1–1,000,000 per minute, or -1 for off", h.AuthFailures)
	}
	for _, c := range []struct {
		choice caddyargs.Choice
		value  *string
	}{
		{missingOrigins, &h.MissingOrigin},
		{denialWriters, &h.Errors},
		{rateLimitHeaders, &h.RateLimitHeaders},
	} {
		if *c.value == "" {
			*c.value = c.choice.Words[0]
		}
		if err := c.choice.Check(*c.value); err != nil {
			return err
		}
	}
	if err := h.checkAuthorize(); err != nil {
		return err
	}
	if h.Authorize != "" {
		h.CORS = &CORS{Off: true}
	}
	return h.CORS.check()
}

func checkKeyHeader(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("header %q is not a header name; accepted: a name such as X-API-Key", name)
	}
	if len(name) > headers.MaxNameLen {
		return fmt.Errorf("header %q is too long; accepted: up to %d characters, such as X-API-Key", name, headers.MaxNameLen)
	}
	if reservedHeaders[textproto.CanonicalMIMEHeaderKey(name)] {
		return fmt.Errorf("header %s cannot carry the token; choose one of your own, such as X-API-Key", name)
	}
	return nil
}

// reservedHeaders have a meaning of their own, which a token would break.
var reservedHeaders = map[string]bool{
	"Authorization": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Cookie": true, "Host": true,
	"Origin": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// ServeHTTP decides one request: first the checks of access.Decide, in their
// order, then the limits.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	now := h.app.now()
	q, trusted := h.accessRequest(r, now)
	a := &answer{handler: h, request: r, origin: allowedOrigin(q.Origins), trusted: trusted}
	a.trackBody()

	store, err := h.app.open()
	policy := h.policy
	if err == nil {
		policy.Keys = store.store
	} else {
		policy.Keys = closedStore{err}
	}
	if err == nil && h.AuthFailures > 0 && store.store.HasOpaque() {
		var within bool
		within, a.retryAfter = store.failuresWithin(h.AuthFailures).Peek(q.Client, now)
		q.OverFailures = !within
	}
	d := h.front.decide(&policy, &q, r)

	if inEarlyData(r) && (d.Authenticated || d.Reason.FailedAuth() || d.Reason == access.TooManyFailures) {
		return a.tooEarly(w)
	}
	switch {
	case d.Preflight:
		metrics.decided(access.Allowed, h.app.now().Sub(now))
		h.cors.answerPreflight(w.Header(), a.origin, &a.values)
		a.closeAfterBody(w)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case d.Reason == access.Allowed && !d.Authenticated: // a public route
	case d.Authenticated && d.Reason == access.Allowed:
		a.caps = adminapi.CapsOf(store.store, &d.Grant, h.app.WorkspaceLimits)
		if a.limits, d.Err = store.limits.Take(d.ID, a.caps, d.Route.Cost, now); d.Err != nil {
			d.Reason = access.StoreUnavailable
			break
		}
		a.keyed, d.Reason = true, adminapi.LimitReason(&a.limits)
	case d.Authenticated:
		a.keyed, a.caps = true, adminapi.CapsOf(store.store, &d.Grant, h.app.WorkspaceLimits)
		a.limits = store.limits.Deny(d.ID, a.caps, now)
	case d.Reason.FailedAuth() && h.AuthFailures > 0:
		if within, _ := store.failuresWithin(h.AuthFailures).Charge(q.Client, now); !within {
			d.Reason, a.retryAfter = access.TooManyFailures, 0 // it was looked up and is wrong, so waiting does not help
		}
	}
	if d.Reason == access.StoreUnavailable {
		metrics.storeErrors.Inc()
		unavailable.Error(h.logger, now, "requests are refused because the key store cannot answer", zap.Error(d.Err))
	}
	metrics.decided(d.Reason, h.app.now().Sub(now))
	if d.Reason != access.Allowed {
		return a.deny(w, &d)
	}
	if h.Authorize != "" {
		return a.permit(w, &d)
	}
	return a.forward(w, r, next, &d, store)
}

// unavailable limits the log of a store that cannot answer.
var unavailable logthrottle.Throttle

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
