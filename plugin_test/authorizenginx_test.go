//go:build backends

package plugin_test

import (
	"net/http"
	"strings"
	"testing"
)

// What nginx with the page's configuration hands to the backend: as it is, and
// when it is told to keep names that it drops otherwise.
func TestAuthRequestHeaderNames(t *testing.T) {
	endpoint, _, nginx := authorizationPage(t)
	judge := startCaddy(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}", "authorize forward_auth": "authorize auth_request"}))
	reader, token := judge.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000")
	for name, options := range map[string]string{"stock": "", "all names": "ignore_invalid_headers off;\nunderscores_in_headers on;\n"} {
		t.Run(name, func(t *testing.T) {
			backend, addr := startCGIBackend(t), "127.0.0.1:"+freePort(t)
			ports := map[string]string{"127.0.0.1:8080": addr, ":9100": portOf(judge.URL), ":9000": portOf(backend.addr)}
			startNginxServer(t, options+onPorts(t, nginx, ports), addr)
			g := &nameGateway{gateway: &gateway{URL: "http://" + addr}, reader: reader, token: token}
			g.checkNames(t, []string{"h1"}, backend, "SocialPatra-", 150, false)
		})
	}
}

// nginx forwards what Keygate judged as well, in the bytes that it came in.
func TestAuthRequest(t *testing.T) {
	endpoint, _, nginx := authorizationPage(t)
	endpoint = onPorts(t, endpoint, map[string]string{"authorize forward_auth": "authorize auth_request"})
	a := startAuthorizer(t, endpoint, func(endpoint, backend string) *gateway {
		addr := "127.0.0.1:" + freePort(t)
		startNginxServer(t, onPorts(t, nginx, map[string]string{"127.0.0.1:8080": addr, ":9100": endpoint, ":9000": backend}), addr)
		return &gateway{URL: "http://" + addr, Dir: t.TempDir(), client: newClient(t)}
	})
	a.check(t, false)

	k := bearer(a.gateway.token(t, "--scope", "posts:read", "--per-minute", "1"))
	if resp := a.front.do(t, "GET", "/v1/posts", "", k); resp.Status != http.StatusOK {
		t.Errorf("answered %d %s", resp.Status, resp.Body)
	}
	resp := a.front.do(t, "GET", "/v1/posts", "", k)
	if resp.Status != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("answered %d with %v", resp.Status, resp.Header)
	}
	writer := bearer(a.gateway.token(t, "--scope", "posts:write"))
	a.backend.take()
	if resp := a.front.do(t, "POST", "/v1/posts", "hello", writer, "Content-Type: text/plain"); resp.Status != http.StatusOK {
		t.Errorf("answered %d %s", resp.Status, resp.Body)
	}
	if seen := a.backend.takeOne(t); seen.Method != "POST" || string(seen.Body) != "hello" || !strings.HasPrefix(seen.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("the backend saw %s with %q and %v", seen.Method, seen.Body, seen.Header)
	}
	a.gateway.stop(t)
	if resp := a.front.do(t, "GET", "/v1/posts", "", k); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("without the endpoint: answered %d", resp.Status)
	}
}
