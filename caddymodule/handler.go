package caddymodule

import (
	"fmt"
	"net/http"
	"net/textproto"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule/behind"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/caddymodule/identity"
	"github.com/socialpatra/keygate/caddymodule/response"
	"github.com/socialpatra/keygate/caddymodule/unlogged"
	"github.com/socialpatra/keygate/internal/fronts"
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
	// which nginx can be configured to send. ext_authz takes the request's own
	// method and path, as Envoy's external authorization sends them. Only proxies
	// in the server's trusted_proxies are answered: with 204, or 200 to Envoy, and
	// the identity headers, or with the denial. CORS is left to the proxy.
	// Default: the request itself is judged, and passed on.
	Authorize string `json:"authorize,omitempty"`

	// What the proxy puts before the path that it asks about, such as /authz. Only
	// with authorize ext_authz. Other paths are answered 400. Default: nothing.
	AuthorizePathPrefix string `json:"authorize_path_prefix,omitempty"`

	// Whether denials are in force: enforce or report. In mode report every check
	// runs and is counted, and a request that would be denied passes as it came,
	// without an identity. Only keys that are revoked, disabled or expired are
	// refused. Default: enforce.
	Mode string `json:"mode,omitempty"`

	// What becomes of a request without any token of the brand and without a key
	// of another system that the store knows: deny or pass. With pass it goes on
	// without an identity to every route that is mapped and not denied, with its
	// own credentials, such as sessions or JWTs. Something that answers must come
	// behind the handler. Default: deny.
	Foreign string `json:"foreign,omitempty"`

	// Where clients learn how to get a key: the URL of a document as RFC 9728
	// describes it. It is named in WWW-Authenticate as resource_metadata. https,
	// or http to this machine. Default: none.
	ResourceMetadata string `json:"resource_metadata,omitempty"`

	// Where pages may send the token when they open a WebSocket, as they cannot
	// set Authorization: off, or subprotocol for Sec-WebSocket-Protocol:
	// keygate.token.TOKEN, app. It counts on routes with websocket alone. The
	// backend sees the other subprotocols and picks one, and no log shows the
	// token. Default: off.
	WebSocketToken string `json:"websocket_token,omitempty"`

	app      *App
	logger   *zap.Logger
	events   events
	policy   access.Policy // without Keys, which only the open store has
	identity identity.Headers
	cors     response.CORS
	caching  response.Caching
	front    fronts.Front
	metadata string // the parameter of WWW-Authenticate, with the comma before it; "": none
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
	h.identity = identity.New(h.IdentityPrefix, h.Header)
	h.cors = h.CORS.headers(h.Header)
	h.caching = response.NewCaching(h.Header)
	if h.ResourceMetadata != "" {
		h.metadata = `, resource_metadata="` + h.ResourceMetadata + `"`
	}
	if h.policy.Foreign {
		if err := behind.Check(ctx); err != nil {
			return err
		}
	}
	if h.policy.Report {
		h.logger.Warn("mode report: nothing is enforced here, only keys that have ended are refused", zap.String("routes", g.Place()))
	}
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
	modes            = caddyargs.Choice{Option: "mode", Words: []string{"enforce", "report"}}
	foreigns         = caddyargs.Choice{Option: "foreign", Words: []string{"deny", "pass"}}
	webSocketTokens  = caddyargs.Choice{Option: "websocket_token", Words: []string{"off", "subprotocol"}}
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
	if err := identity.CheckPrefix(h.IdentityPrefix); err != nil {
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
		{modes, &h.Mode},
		{foreigns, &h.Foreign},
		{webSocketTokens, &h.WebSocketToken},
	} {
		if *c.value == "" {
			*c.value = c.choice.Words[0]
		}
		if err := c.choice.Check(*c.value); err != nil {
			return err
		}
	}
	if err := checkResourceMetadata(h.ResourceMetadata); h.ResourceMetadata != "" && err != nil {
		return err
	}
	if err := h.checkAuthorize(); err != nil {
		return err
	}
	if h.Authorize != "" {
		h.CORS = &CORS{Off: true}
	}
	return h.CORS.check()
}

func checkResourceMetadata(value string) error { return caddyargs.CheckURL("resource_metadata", value) }

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
	"Proxy-Authorization": true, "Expect": true, "Range": true,
	"Access-Control-Request-Method": true, "Access-Control-Request-Headers": true,
	"Sec-Websocket-Key": true, "Sec-Websocket-Version": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
}

// ServeHTTP decides one request and answers it, or lets it pass.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.policy.Report && h.Authorize == "" && wasLetIn(r) {
		return next.ServeHTTP(w, r)
	}
	a := &answer{handler: h, request: r}
	if h.WebSocketToken == "subprotocol" {
		if tokens, taken := takeProtocolTokens(r.Header); taken {
			unlogged.Serve(w, r, h.logger, func(w http.ResponseWriter) (zapcore.ObjectMarshaler, error) {
				return &a.verdict, h.serve(w, r, next, a, tokens)
			})
			return nil
		}
	}
	return h.serve(w, r, next, a, nil)
}

// serve runs the checks of access.Decide, in their order, and then the limits.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, a *answer, protocolTokens []string) error {
	now := h.app.now()
	q, trusted := h.accessRequest(r, now)
	q.ProtocolTokens = protocolTokens
	a.origin, a.trusted = allowedOrigin(q.Origins), trusted
	a.trackBody()

	store, err := h.app.open()
	policy := h.policy
	if err == nil {
		policy.Keys = store.store
	} else {
		policy.Keys = closedStore{err}
	}
	budget := failureBudget{h.AuthFailures, policy.Report}
	if err == nil && h.AuthFailures > 0 && store.store.HasOpaque() {
		var within bool
		within, a.retryAfter = store.failuresWithin(budget).Peek(q.Client, now)
		q.OverFailures = !within
	}
	d := h.decide(&policy, &q, r, trusted)

	early := inEarlyData(r) && (d.Authenticated || d.Reason.FailedAuth() || d.Reason == access.TooManyFailures)
	if early && (d.Authenticated || d.Ended != 0 || !policy.Report) {
		return a.tooEarly(w)
	}
	if a.known = d.Authenticated; a.known {
		a.expires = d.Grant.ExpiresSoon(now)
	}
	switch {
	case d.Preflight && !policy.Report:
		metrics.decided(&d, h.app.now().Sub(now))
		h.cors.AnswerPreflight(w.Header(), a.origin, &a.values)
		a.closeAfterBody(w)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case d.Reason == access.Allowed && !d.Authenticated: // a public route, or foreign
	case d.Authenticated && d.Reason == access.Allowed:
		a.caps = adminapi.CapsOf(store.store, &d.Grant, h.app.WorkspaceLimits)
		if a.limits, d.Err = store.limits.Take(d.ID, a.caps, d.Route.Cost, now, d.Sighting(q.Client)); d.Err != nil {
			d.Reason = access.StoreUnavailable
			break
		}
		a.keyed, d.Reason = true, adminapi.LimitReason(&a.limits)
	case d.Authenticated:
		a.keyed, a.caps = true, adminapi.CapsOf(store.store, &d.Grant, h.app.WorkspaceLimits)
		a.limits = store.limits.Deny(d.ID, a.caps, now)
	case d.Reason.FailedAuth() && h.AuthFailures > 0 && !early:
		if within, _ := store.failuresWithin(budget).Charge(q.Client, now); !within {
			d.Reason, a.retryAfter = access.TooManyFailures, 0 // it was looked up and is wrong, so waiting does not help
		}
	}
	if d.Reason == access.StoreUnavailable {
		metrics.storeErrors.Inc()
		unavailable.Error(h.logger, now, unavailableLine[policy.Report], zap.Error(d.Err))
	}
	policy.Settle(&d)
	metrics.decided(&d, h.app.now().Sub(now))
	switch {
	case d.Reason != access.Allowed:
		return a.deny(w, &d)
	case h.Authorize != "":
		return a.permit(w, &d)
	case policy.Report && !d.Identified():
		return a.handOn(w, r, next, &d, store)
	default:
		return a.forward(w, r, next, &d, store)
	}
}

// unavailable limits the log of a store that cannot answer.
var unavailable logthrottle.Throttle

// unavailableLine says what such a store means, by whether denials are only
// reported.
var unavailableLine = map[bool]string{
	false: "requests are refused because the key store cannot answer",
	true:  "requests pass unchecked, in mode report, because the key store cannot answer",
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
