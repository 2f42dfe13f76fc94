package caddymodule

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// accessRequest returns the parts of an HTTP request that decide it. The path is
// the one that reverse_proxy will send: after rewrites, in the bytes of the wire.
// accessRequest also reports whether the peer is one of Caddy's trusted_proxies.
func (h *Handler) accessRequest(r *http.Request, now time.Time) (q access.Request, trusted bool) {
	vars := caddyVars(r)
	q = access.Request{
		Method:        r.Method,
		Path:          r.URL.EscapedPath(),
		Query:         r.URL.RawQuery,
		Origins:       r.Header["Origin"],
		RequestMethod: r.Header["Access-Control-Request-Method"],
		Authorization: r.Header["Authorization"],
		Client:        vars.clientAddr(),
		WebSocket:     asksForWebSocket(r),
		Now:           now,
	}
	if r.URL.Opaque != "" {
		q.Path = "" // not a path, so it will be refused
	}
	if h.Header != "" {
		q.KeyHeader = r.Header[h.Header]
	}
	return q, vars.fromTrustedProxy()
}

// asksForWebSocket reports whether a request would be upgraded. Upgrade has no
// meaning unless Connection names it, and none in HTTP/1.0 (RFC 9110 §7.8).
// HTTP/2 and HTTP/3 do not have these headers; they use CONNECT, which Keygate
// never serves.
func asksForWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return len(upgrade) > 0 && r.ProtoMajor == 1 && r.ProtoMinor >= 1 &&
		httpguts.HeaderValuesContainsToken(upgrade, "websocket") &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade")
}

// takeProtocolTokens takes the subprotocols with a token out of the header, for
// good: whoever has the request later may log it.
func takeProtocolTokens(h http.Header) (tokens []string, taken bool) {
	const name = "Sec-Websocket-Protocol"
	values := h[name]
	if len(values) == 0 {
		return nil, false
	}
	tokens, rest := access.TakeTokens(values)
	if slices.Equal(rest, values) {
		return nil, false
	}
	if h[name] = rest; len(rest) == 0 {
		delete(h, name)
	}
	return tokens, true
}

// requestVars are Caddy's variables of a request.
type requestVars map[string]any

func caddyVars(r *http.Request) requestVars {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	return vars
}

// ClientAddr returns the client's address as Caddy determines it, or the zero Addr.
func ClientAddr(r *http.Request) netip.Addr { return caddyVars(r).clientAddr() }

// clientAddr returns the client's address as Caddy determines it, which respects
// trusted_proxies. It returns the zero Addr if Caddy does not know the address.
func (v requestVars) clientAddr() netip.Addr {
	s, _ := v[caddyhttp.ClientIPVarKey].(string)
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// inEarlyData reports whether the TLS handshake is not yet complete, as in HTTP/3
// with 0-RTT. Until then the client's address is only a claim, and the request
// may be a replay (RFC 8470 §3).
func inEarlyData(r *http.Request) bool {
	return r.TLS != nil && !r.TLS.HandshakeComplete
}

// fromTrustedProxy reports whether the peer is one of Caddy's trusted_proxies.
func (v requestVars) fromTrustedProxy() bool {
	trusted, _ := v[caddyhttp.TrustedProxyVarKey].(bool)
	return trusted
}

// allowedOrigin returns the origin to echo in Access-Control-Allow-Origin. It
// returns "" if there is none, or none that is valid.
func allowedOrigin(origins []string) string {
	if len(origins) != 1 || !access.ValidOrigin(origins[0]) {
		return ""
	}
	return origins[0]
}

// closedStore answers look-ups if there is no store to ask.
type closedStore struct{ err error }

func (c closedStore) Lookup(apikey.ID) (apikey.Grant, bool, error) {
	return apikey.Grant{}, false, c.err
}

func (c closedStore) LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	return apikey.ID{}, apikey.Grant{}, false, c.err
}

// HasOpaque returns true because nobody knows. So for a token that might be a
// key, the answer is that the store is unavailable, and not that the key is
// invalid.
func (c closedStore) HasOpaque() bool { return true }
