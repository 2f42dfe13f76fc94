package identity

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/headers"
)

func requestWith(h http.Header) *http.Request {
	r := httptest.NewRequest("GET", "/v1/posts", nil)
	r.Header = h
	return r
}

func TestStrip(t *testing.T) {
	id := New("Socialpatra-", "X-Api-Key")
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
		r := requestWith(sent)
		r.Trailer = http.Header{"Socialpatra-Workspace": nil}
		id.Strip(r, trusted, false)
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
	id := New("Socialpatra-", "")
	r := requestWith(http.Header{"Connection": {"keep-alive, Upgrade, Socialpatra-Workspace"}, "Upgrade": {"websocket, h2c"}})
	id.Strip(r, false, true)
	if got := r.Header["Connection"]; !slices.Equal(got, []string{"Upgrade"}) {
		t.Errorf("Connection: %q", got)
	}
	if got := r.Header["Upgrade"]; !slices.Equal(got, []string{"websocket"}) {
		t.Errorf("Upgrade: %q", got)
	}
}

func TestCheckPrefix(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"SocialPatra-": true, "X-Backend-": true, "a-": true, "A1-b-": true, "z-": true, "Z-": true, "A-": true, "a0-": true, "a9-": true, "a--": true,
		"a/-": false, "a:-": false, "`-": false, "{-": false, "@-": false, "[-": false, "a\x00-": false, "0-": false, "9-": false,
		"": false, "-": false, "SocialPatra": false, "1a-": false, "-a-": false, "a_b-": false, "a b-": false, "é-": false,
		strings.Repeat("a", 32) + "-": false,
	} {
		if err := CheckPrefix(prefix); (err == nil) != ok {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func BenchmarkStrip(b *testing.B) {
	id := New("Socialpatra-", "X-Api-Key")
	r := httptest.NewRequest("GET", "/v1/posts", nil)
	headers := http.Header{
		"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"curl/8"}, "Content-Type": {"application/json"},
		"X-Request-Id": {"1"}, "X-Forwarded-For": {"203.0.113.7"}, "Cookie": {"a=b"}, "Origin": {"https://shop.example"},
	}
	r.Header = headers
	b.ReportAllocs()
	for b.Loop() {
		r.Header["Authorization"] = headers["Accept"]
		id.Strip(r, false, false)
	}
}
