package caddymodule

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/internal/goldentest"
	"github.com/socialpatra/keygate/internal/logthrottle"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// outcomeRoutes are what most handlers here serve.
const outcomeRoutes = `"routes":[
	{"methods":["GET","POST"],"path":"/v1/posts","scopes":["posts:read"]},
	{"methods":["GET"],"path":"/v1/write","scopes":["posts:write"]},
	{"methods":["GET"],"path":"/v1/both","scopes":["posts:write","media:upload"]},
	{"methods":["GET"],"path":"/v1/either","scopes":["posts:write","media:upload"],"or_scopes":[["posts:approve"]]},
	{"methods":["GET"],"path":"/v1/costly","access":"authenticated","cost":5},
	{"methods":["GET"],"path":"/v1/live","scopes":["posts:read"],"websocket":true},
	{"methods":["DELETE"],"path":"/v1/posts","access":"deny"},
	{"methods":["GET"],"path":"/v1/status","access":"public"}]`

// wrongToken is well formed, and no key's.
const wrongToken = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"

const page = "https://shop.example"

const extAuthzBelow = `"authorize":"ext_authz","authorize_path_prefix":"/authz"`

// outcome is one request. What comes of it is golden.
type outcome struct {
	name    string
	request string // "GET /v1/posts"
	header  string // more of it: "Origin: x; Accept: y"

	app     string // JSON of the app and of the handler's options, if not the defaults
	handler string

	key   func(*apikey.Key) // of the key whose token replaces TOKEN; nil: one with posts:read
	times int               // how often it was sent before
	setUp func(*testing.T, *Handler)
	edit  func(*http.Request)
}

func limited(perMinute, perDay uint32) func(*apikey.Key) {
	return func(k *apikey.Key) { k.Limits = apikey.Limits{PerMinute: perMinute, PerDay: perDay, Burst: perMinute} }
}

func trusted(r *http.Request) { caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true) }

func client(address string) func(*http.Request) {
	return func(r *http.Request) { caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, address) }
}

func releaseStore(t *testing.T, h *Handler) {
	t.Helper()
	if err := h.app.Cleanup(); err != nil {
		t.Fatal(err)
	}
}

// neverOpened makes of the app one whose store was not open when it ended.
func neverOpened(t *testing.T, h *Handler) {
	t.Helper()
	releaseStore(t, h)
	h.app.opened.Store(nil)
}

// brokenLimits are those of a fleet whose engine does not answer.
type brokenLimits struct{ stores.Limits }

func (brokenLimits) Take(apikey.ID, ratelimit.Caps, int, time.Time, apikey.Sighting) (ratelimit.Result, error) {
	return ratelimit.Result{}, errors.New("no answer")
}

const bearerOnly = "Authorization: Bearer TOKEN"

var outcomes = []outcome{
	{name: "allowed", request: "GET /v1/posts?page=2", header: bearerOnly},
	{name: "allowed, in the configured header", request: "GET /v1/posts", header: "X-Key: TOKEN"},
	{name: "allowed, beside Basic", request: "GET /v1/posts", header: "X-Key: TOKEN; Authorization: Basic YTpi"},
	{name: "allowed to a page", request: "POST /v1/posts", header: bearerOnly + "; Origin: " + page},
	{name: "allowed, HEAD", request: "HEAD /v1/posts", header: bearerOnly},
	{name: "allowed, and pays 5", request: "GET /v1/costly", header: bearerOnly},
	{name: "allowed by the other alternative", request: "GET /v1/either", header: bearerOnly, key: func(k *apikey.Key) { k.Scopes = []string{"posts:approve", "posts:read"} }},
	{name: "allowed, in a workspace with limits", app: `{"workspace_limits":{"per_minute":600,"per_day":100000}}`, request: "GET /v1/posts", header: bearerOnly},
	{name: "allowed, in a workspace with its own limit", app: `{"workspace_limits":{"per_minute":600}}`, request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.Workspace = "other" }, setUp: func(t *testing.T, h *Handler) {
		t.Helper()
		if err := h.app.opened.Load().store.SetWorkspaceLimits("other", &apikey.WorkspaceLimits{PerDay: 7}, keystore.Actor{At: testStart, Via: "test"}); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "allowed to an address", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.0/24"} }, edit: client("::ffff:203.0.113.7%eth0")},
	{name: "allowed to an origin", request: "GET /v1/posts", header: bearerOnly + "; Origin: " + page, key: func(k *apikey.Key) { k.AllowedOrigins = []string{page} }},
	{name: "allowed after the handshake", request: "GET /v1/posts", header: bearerOnly, edit: handshake(true)},
	{name: "a WebSocket", request: "GET /v1/live", header: bearerOnly + "; Connection: keep-alive, Upgrade; Upgrade: h2c, websocket"},
	{name: "public", request: "GET /v1/status", header: "Authorization: Bearer " + wrongToken + "; Socialpatra-Workspace: evil; X-Real-Ip: 10.0.0.1"},
	{name: "public to a page", request: "GET /v1/status", header: "Origin: " + page},
	{name: "public, in early data", request: "GET /v1/status", edit: handshake(false)},
	{name: "public without a store", request: "GET /v1/status", setUp: releaseStore},

	{name: "a preflight", request: "OPTIONS /v1/posts", header: "Origin: " + page + "; Access-Control-Request-Method: POST"},
	{name: "a preflight of anything", request: "OPTIONS /v1/nothing", header: "Origin: " + page + "; Access-Control-Request-Method: POST; " + bearerOnly},
	{name: "a preflight of no origin", request: "OPTIONS /v1/posts", header: "Origin: null; Access-Control-Request-Method: POST"},
	{name: "a preflight of two origins", request: "OPTIONS /v1/posts", header: "Origin: " + page + "; Origin: " + page + "; Access-Control-Request-Method: POST"},
	{name: "OPTIONS that asks for no method", request: "OPTIONS /v1/posts", header: "Origin: " + page},
	{name: "a preflight that is another's", handler: `"cors":{"off":true}`, request: "OPTIONS /v1/posts", header: "Origin: " + page + "; Access-Control-Request-Method: POST"},

	{name: "method_not_allowed", request: "TRACE /v1/posts", header: bearerOnly},
	{name: "ambiguous_path", request: "GET /v1//posts", header: bearerOnly},
	{name: "a query that is ambiguous", request: "GET /v1/posts", header: bearerOnly, edit: func(r *http.Request) { r.URL.RawQuery = "a\x01" }},
	{name: "no path", request: "GET /v1/posts", header: bearerOnly, edit: func(r *http.Request) { r.URL.Opaque = "/v1/posts" }},
	{name: "missing_key", request: "GET /v1/posts", header: "Origin: " + page},
	{name: "missing_key, HEAD", request: "HEAD /v1/posts"},
	{name: "missing_key, in early data", request: "GET /v1/posts", edit: handshake(false)},
	{name: "malformed_request", request: "GET /v1/posts", header: bearerOnly + "; X-Key: TOKEN"},
	{name: "invalid_key", request: "GET /v1/posts", header: "Authorization: Bearer " + wrongToken},
	{name: "key_revoked", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.RevokedAt = testStart }},
	{name: "key_disabled", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.Disabled = true }},
	{name: "key_expired", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.ExpiresAt = testStart }},
	{name: "within a budget of 1", handler: `"auth_failures":1`, request: "GET /v1/posts", header: "Authorization: Bearer " + wrongToken},
	{name: "too_many_failures", handler: `"auth_failures":1`, request: "GET /v1/posts", header: "Authorization: Bearer " + wrongToken, times: 1},
	{name: "without a budget", handler: `"auth_failures":-1`, request: "GET /v1/posts", header: "Authorization: Bearer " + wrongToken, times: 100},
	{name: "too_many_failures, not looked up", handler: `"auth_failures":1`, request: "GET /v1/posts", header: "Authorization: Bearer a-guess", times: 1, key: func(k *apikey.Key) { k.Hash, k.Opaque = apikey.HashToken("12345678"), true }},
	{name: "too_many_failures in early data", handler: `"auth_failures":1`, request: "GET /v1/posts", header: "Authorization: Bearer a-guess", key: func(k *apikey.Key) { k.Hash, k.Opaque = apikey.HashToken("12345678"), true }, edit: handshake(false), setUp: func(t *testing.T, h *Handler) {
		t.Helper()
		send(t, h, httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(wrongToken)}))
	}},
	{name: "ip_not_allowed", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.8/32"} }},
	{name: "ip_not_allowed, as nobody knows it", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.0/24"} }, edit: client("@")},
	{name: "origin_not_allowed", request: "GET /v1/posts", header: bearerOnly + "; Origin: https://shop.example.evil", key: func(k *apikey.Key) { k.AllowedOrigins = []string{page} }},
	{name: "route_not_mapped", request: "GET /v1/nothing", header: bearerOnly},
	{name: "a denied route", request: "DELETE /v1/posts"},
	{name: "insufficient_scope", request: "GET /v1/write", header: bearerOnly},
	{name: "insufficient_scope, one of two", request: "GET /v1/both", header: bearerOnly, key: func(k *apikey.Key) { k.Scopes = []string{"posts:write"} }},
	{name: "insufficient_scope, two of two", request: "GET /v1/both", header: bearerOnly},
	{name: "insufficient_scope, of alternatives", request: "GET /v1/either", header: bearerOnly},
	{name: "rate_limited", request: "GET /v1/posts", header: bearerOnly, key: limited(1, 10), times: 1},
	{name: "rate_limited for a second", request: "GET /v1/posts", header: bearerOnly, key: func(k *apikey.Key) { k.Limits.Burst = 1 }, times: 1},
	{name: "quota_exceeded", request: "GET /v1/posts", header: bearerOnly, key: limited(10, 1), times: 1},
	{name: "quota_exceeded, and the minute", request: "GET /v1/posts", header: bearerOnly, key: limited(1, 1), times: 1},
	{name: "cost_too_high", request: "GET /v1/costly", header: bearerOnly, key: limited(4, 10)},
	{name: "cost_too_high for a day", request: "GET /v1/costly", header: bearerOnly, key: limited(10, 4)},
	{name: "cost that is just met", request: "GET /v1/costly", header: bearerOnly, key: limited(5, 5)},
	{name: "cost_too_high for the workspace", app: `{"workspace_limits":{"per_day":4}}`, request: "GET /v1/costly", header: bearerOnly, key: limited(5, 5)},
	{name: "rate_limited, the workspace", app: `{"workspace_limits":{"per_minute":1}}`, request: "GET /v1/posts", header: bearerOnly, times: 1},
	{name: "quota_exceeded, the workspace", app: `{"workspace_limits":{"per_day":2}}`, request: "GET /v1/posts", header: bearerOnly, times: 2},
	{name: "store_unavailable", request: "GET /v1/posts", header: bearerOnly, setUp: releaseStore},
	{name: "store_unavailable, never opened", request: "GET /v1/posts", header: bearerOnly, setUp: neverOpened},
	{name: "store_unavailable, of what may be another system's", request: "GET /v1/posts", header: "Authorization: Bearer a-guess", setUp: neverOpened},
	{name: "store_unavailable, the limits", request: "GET /v1/posts", header: bearerOnly, setUp: func(_ *testing.T, h *Handler) {
		e := h.app.opened.Load()
		e.limits = brokenLimits{e.limits}
	}},
	{name: "too early", request: "GET /v1/posts", header: bearerOnly + "; Origin: " + page, edit: handshake(false)},

	{name: "errors caddy, denied", handler: `"errors":"caddy"`, request: "GET /v1/write", header: bearerOnly + "; Origin: " + page + "; X-Real-Ip: 10.0.0.1; Socialpatra-Workspace: evil"},
	{name: "errors caddy, behind a trusted proxy", handler: `"errors":"caddy"`, request: "TRACE /v1/write", header: bearerOnly + "; X-Real-Ip: 10.0.0.1; Connection: Upgrade; Upgrade: websocket", edit: trusted},
	{name: "errors caddy, limited", handler: `"errors":"caddy"`, request: "GET /v1/posts", header: bearerOnly, key: limited(1, 10), times: 1},

	{name: "forward_auth, allowed", handler: `"authorize":"forward_auth"`, request: "POST /ask", header: bearerOnly + "; Origin: " + page + "; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts?page=2", edit: trusted},
	{name: "forward_auth, public", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: "X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/status", edit: trusted},
	{name: "forward_auth, denied", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: DELETE; X-Forwarded-Uri: /v1/posts", edit: trusted},
	{name: "forward_auth, limited", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts", edit: trusted, key: limited(1, 10), times: 1},
	{name: "forward_auth, of a query", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts?a b", edit: trusted},
	{name: "forward_auth, not trusted", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts"},
	{name: "forward_auth, two methods", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: GET; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts", edit: trusted},
	{name: "forward_auth, no path", handler: `"authorize":"forward_auth"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: GET", edit: trusted},
	{name: "auth_request, allowed", handler: `"authorize":"auth_request"`, request: "GET /ask", header: bearerOnly + "; X-Original-Method: GET; X-Original-Uri: /v1/posts", edit: trusted},
	{name: "auth_request, as forward_auth asks", handler: `"authorize":"auth_request"`, request: "GET /ask", header: bearerOnly + "; X-Forwarded-Method: GET; X-Forwarded-Uri: /v1/posts", edit: trusted},
	{name: "ext_authz, allowed", handler: `"authorize":"ext_authz"`, request: "POST /v1/posts?page=2", header: bearerOnly + "; Origin: " + page, edit: trusted},
	{name: "ext_authz, HEAD below a prefix", handler: extAuthzBelow, request: "HEAD /authz/v1/posts", header: bearerOnly, edit: trusted},
	{name: "ext_authz, beside Basic", handler: extAuthzBelow, request: "GET /authz/v1/posts", header: "X-Key: TOKEN; Authorization: Basic YTpi", edit: trusted},
	{name: "ext_authz, public", handler: extAuthzBelow, request: "GET /authz/v1/status", header: bearerOnly + "; Socialpatra-Workspace: evil", edit: trusted},
	{name: "ext_authz, denied", handler: extAuthzBelow, request: "DELETE /authz/v1/posts", header: bearerOnly, edit: trusted},
	{name: "ext_authz, limited", handler: extAuthzBelow, request: "GET /authz/v1/posts", header: bearerOnly, edit: trusted, key: limited(1, 10), times: 1},
	{name: "ext_authz, without the prefix", handler: extAuthzBelow, request: "GET /v1/posts", header: bearerOnly, edit: trusted},
	{name: "ext_authz, not trusted", handler: `"authorize":"ext_authz"`, request: "GET /v1/posts", header: bearerOnly},
}

// handshake says whether the TLS handshake is complete.
func handshake(complete bool) func(*http.Request) {
	return func(r *http.Request) { r.TLS = &tls.ConnectionState{HandshakeComplete: complete} }
}

// ask makes the request of an outcome with a token.
func (o *outcome) ask(token string) *http.Request {
	method, path, _ := strings.Cut(o.request, " ")
	header := make(http.Header)
	for field := range strings.SplitSeq(strings.ReplaceAll(o.header, "TOKEN", token), "; ") {
		if name, value, ok := strings.Cut(field, ": "); ok {
			header.Add(name, value)
		}
	}
	r := loggedRequest(method, path, header)
	if o.edit != nil {
		o.edit(r)
	}
	return r
}

// Every outcome there is, as clients, backends, metrics, logs and traces see it.
func TestOutcomes(t *testing.T) {
	var got strings.Builder
	reached := make(map[string]float64)
	shared, err := handlerOf(t, "{}", `{"header":"X-Key",`+outcomeRoutes+"}")
	if err != nil {
		t.Fatal(err)
	}
	setClock(shared, stopped(testStart))
	for _, o := range outcomes {
		t.Run(o.name, func(t *testing.T) {
			h := shared
			if o.app != "" || o.handler != "" || o.setUp != nil || o.times > 0 { // each has a file of its own
				app, handler := o.app, `{"header":"X-Key",`+outcomeRoutes
				if app == "" {
					app = "{}"
				}
				if o.handler != "" {
					handler += "," + o.handler
				}
				var err error
				if h, err = handlerOf(t, app, handler+"}"); err != nil {
					t.Fatal(err)
				}
				setClock(h, stopped(testStart))
			}
			k, token := storeKey(t, h, o.key)
			if o.setUp != nil {
				o.setUp(t, h)
			}
			for range o.times {
				send(t, h, o.ask(token))
			}
			unavailable = logthrottle.Throttle{}
			x := send(t, h, o.ask(token))
			x.wantSound(t)
			text := x.String()
			if strings.Contains(text, token) || strings.Contains(text, wrongToken) {
				t.Errorf("there is a token in\n%s", text)
			}
			maps.Copy(reached, x.counted)
			fmt.Fprintf(&got, "=== %s: %s, %s\n%s\n", o.name, o.request, o.header, strings.ReplaceAll(text, k.ID.String(), "KEY"))
		})
	}
	for _, reason := range access.Reasons() {
		if reached[reason.String()] == 0 {
			t.Errorf("no request is answered %s", reason)
		}
	}
	goldentest.Check(t, "testdata/outcomes.txt", strings.ReplaceAll(got.String(), wrongToken, "WRONG"))
}
