package plugin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func preflight(origin, method string) []string {
	return []string{"Origin: " + origin, "Access-Control-Request-Method: " + method, "Access-Control-Request-Headers: authorization"}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	g, b := startSite(t)
	for _, path := range []string{"/v1/posts", "/v1/posts/42", "/v1/nothing"} {
		resp := g.do(t, "OPTIONS", path, "", preflight("https://shop.example", "POST")...)
		if resp.Status != http.StatusNoContent || resp.Body != "" {
			t.Errorf("%s: %d %q", path, resp.Status, resp.Body)
		}
		wantHeaders(t, resp, map[string]string{
			"Access-Control-Allow-Origin":      "https://shop.example",
			"Access-Control-Allow-Methods":     "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY",
			"Access-Control-Allow-Headers":     "Authorization, X-Api-Key, Content-Type",
			"Access-Control-Max-Age":           "600",
			"Access-Control-Allow-Credentials": "",
		})
	}
	for _, origin := range []string{"null", "https://shop.example/", "*", "https://SHOP.example"} {
		resp := g.do(t, "OPTIONS", "/v1/posts", "", preflight(origin, "GET")...)
		if resp.Status != http.StatusNoContent {
			t.Errorf("%s: %d", origin, resp.Status)
		}
		wantHeaders(t, resp, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Headers": ""})
	}
	if seen := b.take(); len(seen) > 0 {
		t.Errorf("the backend saw %+v", seen)
	}
}

// The backend here speaks CORS and RateLimit itself; none of it may get out.
func TestResponsesCarryOurHeaders(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Add("Access-Control-Expose-Headers", "X-Next, x-total")
		w.Header().Add("Access-Control-Expose-Headers", "*,retry-after")
		w.Header().Set("RateLimit", "theirs")
		w.Header().Set("RateLimit-Policy", "theirs")
		w.Header().Set("Vary", "Accept")
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	start := func(options ...string) (*gateway, string) {
		g := startCaddy(t, siteWith(options...), "BACKEND="+strings.TrimPrefix(server.URL, "http://"))
		return g, g.token(t, "--scope", "posts:read")
	}

	g, token := start("cors {\nexpose_headers X-Total\n}")
	const exposed = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, Request-Id, Key-Expires, X-Total"
	resp := g.do(t, "GET", "/v1/posts", "", bearer(token), "Origin: https://shop.example")
	if resp.Status != http.StatusTeapot {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	wantHeaders(t, resp, map[string]string{
		"Access-Control-Allow-Origin":      "https://shop.example",
		"Access-Control-Expose-Headers":    exposed + ", X-Next, *",
		"Access-Control-Allow-Credentials": "",
		"RateLimit-Policy":                 `"minute";q=60;w=60, "day";q=10000;w=86400`,
	})
	if got := strings.Join(resp.Header.Values("Vary"), ", "); got != "Accept, Origin, Authorization, X-Api-Key" {
		t.Errorf("Vary: %s", got)
	}
	resp = g.do(t, "GET", "/v1/posts", "", bearer(token))
	wantHeaders(t, resp, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Expose-Headers": ""})
	resp = g.do(t, "POST", "/v1/posts", "", bearer(token), "Origin: https://shop.example")
	denied(t, resp, 403, "insufficient_scope")
	wantHeaders(t, resp, map[string]string{
		"Access-Control-Allow-Origin":   "https://shop.example",
		"Access-Control-Expose-Headers": exposed,
	})

	g, token = start("cors off")
	resp = g.do(t, "GET", "/v1/posts", "", bearer(token), "Origin: https://shop.example")
	wantHeaders(t, resp, map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"})
	if got := resp.Header.Values("Access-Control-Expose-Headers"); len(got) != 2 {
		t.Errorf("with cors off the backend's are %q", got)
	}
	denied(t, g.do(t, "OPTIONS", "/v1/posts", "", preflight("https://shop.example", "GET")...), 401, "missing_key")
}
