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
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler authenticates requests by API key, authorises them by route, and
// limits their rate. What it passes on carries the key's workspace, ID and
// scopes in headers and no credential; what it refuses never reaches the
// handlers after it.
//
// Method and path are judged as they are when a request comes here, so that it
// belongs after whatever rewrites them and right before what serves.
type Handler struct {
	// Which requests pass, and what they need. A request that matches no route
	// is denied. The most specific path wins, never the order. Required, at
	// least one, unless there is an openapi document.
	Routes []Route `json:"routes,omitempty"`

	// OpenAPI documents of the backend to import routes from. They are read
	// when the config is loaded. The routes above come before imported ones,
	// also where those are more specific. Default: none.
	OpenAPI []OpenAPI `json:"openapi,omitempty"`

	// A header that may carry the token as well, such as X-API-Key, instead of
	// Authorization: Bearer; up to 64 characters. Where it does, Authorization
	// with another scheme, such as Basic, is the backend's, and passes. Its values are in Caddy's
	// access logs unless a log filter takes them out; those of Authorization
	// never are. Default: none.
	Header string `json:"header,omitempty"`

	// What to do with a request without Origin when its key has
	// allowed_origins: deny or allow. Default: deny.
	MissingOrigin string `json:"missing_origin,omitempty"`

	// What the identity headers to the backend start with: Workspace, Key-Id and
	// Scopes follow it. 2–32 letters, digits and dashes, beginning with a letter
	// and ending in a dash. Every header of the client that starts with it is
	// removed. Default: SocialPatra-.
	IdentityPrefix string `json:"identity_prefix,omitempty"`

	// Who writes the denials: problem (Keygate, as application/problem+json) or
	// caddy (the server's error routes, with {http.error.status_code} and the
	// code of the denial in {http.auth.keygate.reason}). Default: problem.
	Errors string `json:"errors,omitempty"`

	// How many failed authentications a client address (an IPv6 client: its
	// /64) has per minute before it is answered 429, from 1 to 1,000,000; -1
	// turns this off. A valid key is never refused for it, but for one with an imported
	// token of another form than ours: over the limit these are not looked up.
	// Default: 60.
	AuthFailures int `json:"auth_failures,omitempty"`

	// Whether responses to authenticated keys carry RateLimit and
	// RateLimit-Policy: on or off. Default: on.
	RateLimitHeaders string `json:"ratelimit_headers,omitempty"`

	// How browser pages may call. Default: preflights are answered here, and
	// pages of any origin may call that their key allows.
	CORS *CORS `json:"cors,omitempty"`

	// Makes the handler an authorisation endpoint, which judges the request
	// that a proxy asks about and passes nothing on: forward_auth takes it from
	// X-Forwarded-Method and X-Forwarded-Uri, as Caddy's forward_auth sends
	// them, auth_request from X-Original-Method and X-Original-URI, as nginx can
	// be told to. Only proxies in the server's trusted_proxies are answered: 204
	// with the identity headers, or the denial. CORS is left to the proxy that
	// asks. Default: the request itself is judged, and passed on.
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

// Options whose value is a word. The first one is the default.
var (
	missingOrigins   = caddyargs.Choice{Option: "missing_origin", Words: []string{"deny", "allow"}}
	denialWriters    = caddyargs.Choice{Option: "errors", Words: []string{"problem", "caddy"}}
	rateLimitHeaders = caddyargs.Choice{Option: "ratelimit_headers", Words: []string{"on", "off"}}
)

// maxAuthFailures bounds the failed authentications of a client in a minute.
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
	if len(name) > maxHeaderName {
		return fmt.Errorf("header %q is too long; accepted: up to %d characters, such as X-API-Key", name, maxHeaderName)
	}
	if reservedHeaders[textproto.CanonicalMIMEHeaderKey(name)] {
		return fmt.Errorf("header %s cannot carry the token; choose one of your own, such as X-API-Key", name)
	}
	return nil
}

// maxHeaderName bounds the names that strip compares: a token in a longer one
// would reach the backend.
const maxHeaderName = 64

// reservedHeaders have a meaning of their own that a token would break.
var reservedHeaders = map[string]bool{
	"Authorization": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Cookie": true, "Host": true,
	"Origin": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// ServeHTTP decides one request, in the order of the checks in access.Decide,
// then the limits.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	now := timeNow()
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
		metrics.decided(access.Allowed, timeNow().Sub(now))
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
			d.Reason, a.retryAfter = access.TooManyFailures, 0 // looked up: waiting does not make it right
		}
	}
	if d.Reason == access.StoreUnavailable {
		metrics.storeErrors.Inc()
		unavailable.error(h.logger, now, "requests are refused because the key store cannot answer", zap.Error(d.Err))
	}
	metrics.decided(d.Reason, timeNow().Sub(now))
	if d.Reason != access.Allowed {
		return a.deny(w, &d)
	}
	if h.Authorize != "" {
		return a.permit(w, &d)
	}
	return a.forward(w, r, next, &d, store)
}

// unavailable bounds what a store that cannot answer writes to the log.
var unavailable logThrottle

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
