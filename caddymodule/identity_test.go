package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/headers"
	"github.com/socialpatra/keygate/ratelimit"
)

func requestWith(t *testing.T, headers http.Header, trusted bool) *http.Request {
	t.Helper()
	r := httptest.NewRequest("GET", "/v1/posts", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
	r.Header = headers
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, trusted)
	return r
}

func TestStrip(t *testing.T) {
	id := newIdentity("Socialpatra-", "X-Api-Key")
	long := "Socialpatra-" + strings.Repeat("X", 200)
	gone := []string{
		"Socialpatra-Workspace", "socialpatra-workspace", "SOCIALPATRA-KEY-ID", "Socialpatra_Workspace", "Socialpatra.Scopes",
		"socialpatra_anything", "Socialpatra-", long,
		"Authorization", "X-Api-Key", "X_api_key", "x.api.key", "Proxy-Authorization",
		"X-Http-Method-Override", "X_http_method_override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Original-Method",
		"X-Rewrite-Url", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Prefix", "X.Forwarded.Prefix",
		"X-Original-Uri", "X-Forwarded-Path", "Socialpatra~Workspace", "X-Http~Method-Override", "X~Forwarded~For", "Odd!",
		"Connection", "Keep-Alive", "Upgrade", "Http2-Settings", "Trailer",
	}
	for name, why := range headers.Removed {
		if why == headers.Alias {
			gone = append(gone, strings.ReplaceAll(name, "-", "_"), strings.Replace(name, "-", ".", 1))
		} else if why != headers.Address {
			gone = append(gone, name, strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"))
		}
	}
	addresses := []string{
		"Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X_real_ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip",
		"Fastly-Client-Ip", "Cf-Connecting-Ipv6", "X-Original-Forwarded-For", "Forwarded-For", "X-Forwarded", "client.ip",
	}
	stay := []string{"Accept", "Content-Type", "Cookie", "Origin", "Socialpatra", "X-Socialpatra-Workspace", "X-Forwarded-For", "My_header", "My.header", "X-Api-Keys", "Sec-Websocket-Key"}

	for _, trusted := range []bool{false, true} {
		sent := make(http.Header)
		for _, name := range slices.Concat(gone, addresses, stay) {
			sent[name] = []string{"a", "b"}
		}
		r := requestWith(t, sent, trusted)
		r.Trailer = http.Header{"Socialpatra-Workspace": nil}
		id.strip(r, caddyVars(r).fromTrustedProxy(), false)
		want := slices.Clone(stay)
		if trusted {
			want = append(want, addresses...)
		}
		for name := range r.Header {
			if !slices.Contains(want, name) {
				t.Errorf("trusted %v: %s is still there", trusted, name)
			}
		}
		for _, name := range want {
			if r.Header[name] == nil {
				t.Errorf("trusted %v: %s is gone", trusted, name)
			}
		}
		if r.Trailer != nil {
			t.Errorf("trusted %v: trailers are still there", trusted)
		}
	}
}

func TestStripForWebSocket(t *testing.T) {
	id := newIdentity("Socialpatra-", "")
	r := requestWith(t, http.Header{"Connection": {"keep-alive, Upgrade, Socialpatra-Workspace"}, "Upgrade": {"websocket, h2c"}}, false)
	id.strip(r, false, true)
	if got := r.Header["Connection"]; !slices.Equal(got, []string{"Upgrade"}) {
		t.Errorf("Connection: %q", got)
	}
	if got := r.Header["Upgrade"]; !slices.Equal(got, []string{"websocket"}) {
		t.Errorf("Upgrade: %q", got)
	}
}

// Values set for the backend do not share room: appending to one must not
// change another.
func TestSetIdentity(t *testing.T) {
	a := &answer{handler: &Handler{identity: newIdentity("Socialpatra-", ""), RateLimitHeaders: "on"}}
	a.limits.Minute = ratelimit.Balance{Limit: 60, Remaining: 59, Reset: 1}
	keyID, err := apikey.ParseID("7Hk2Qp9aX3bC")
	if err != nil {
		t.Fatal(err)
	}
	h := make(http.Header)
	a.handler.identity.put(h, a.identify(&access.Decision{ID: keyID, Grant: apikey.Grant{Workspace: "acme", Scopes: apikey.NewScopeSet([]string{"a:b", "c:d"})}}))
	if want := `"minute";r=59;t=1`; a.left != want {
		t.Errorf("%q is left; want %q", a.left, want)
	}
	for name := range h {
		h.Add(name, "more")
	}
	for name, want := range map[string]string{"Socialpatra-Workspace": "acme", "Socialpatra-Key-Id": "7Hk2Qp9aX3bC", "Socialpatra-Scopes": "a:b c:d"} {
		if got := h[name]; !slices.Equal(got, []string{want, "more"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestCheckIdentityPrefix(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"SocialPatra-": true, "X-Backend-": true, "a-": true, "A1-b-": true, "z-": true, "Z-": true, "A-": true, "a0-": true, "a9-": true, "a--": true,
		"a/-": false, "a:-": false, "`-": false, "{-": false, "@-": false, "[-": false, "a\x00-": false, "0-": false, "9-": false,
		"": false, "-": false, "SocialPatra": false, "1a-": false, "-a-": false, "a_b-": false, "a b-": false, "é-": false,
		strings.Repeat("a", 32) + "-": false,
	} {
		if err := checkIdentityPrefix(prefix); (err == nil) != ok {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func BenchmarkStrip(b *testing.B) {
	id := newIdentity("Socialpatra-", "X-Api-Key")
	r := httptest.NewRequest("GET", "/v1/posts", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
	headers := http.Header{
		"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"curl/8"}, "Content-Type": {"application/json"},
		"X-Request-Id": {"1"}, "X-Forwarded-For": {"203.0.113.7"}, "Cookie": {"a=b"}, "Origin": {"https://shop.example"},
	}
	r.Header = headers
	b.ReportAllocs()
	for b.Loop() {
		r.Header["Authorization"] = headers["Accept"]
		id.strip(r, caddyVars(r).fromTrustedProxy(), false)
	}
}
