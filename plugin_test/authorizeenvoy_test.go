package plugin_test

import (
	"net/http"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// startExtAuthz starts the page's endpoint for Envoy, and what plays Envoy with
// the page's configuration.
func startExtAuthz(t *testing.T) (*authorizer, *envoyPlayer) {
	t.Helper()
	endpoint, envoy := envoyPage(t)
	var player *envoyPlayer
	a := startAuthorizer(t, endpoint, func(endpoint, backend string) *gateway {
		p, g := startEnvoyPlayer(t, envoy, "127.0.0.1"+endpoint, "127.0.0.1"+backend)
		player = p
		return g
	})
	return a, player
}

// What reaches the backend through Envoy is what Keygate judged, and nothing that
// a client may not say.
func TestExtAuthz(t *testing.T) {
	t.Parallel()
	a, player := startExtAuthz(t)
	a.check(t, true)

	t.Run("question", func(t *testing.T) {
		a.backend.take()
		resp := a.front.raw(t, "GET /v1/posts?page=2 HTTP/1.1\nHost: api.example\n"+bearer(a.token)+"\nX-Other: x\nSocialPatra-Workspace: forged\nX-Forwarded-For: 203.0.113.7\nConnection: close\n\n")
		const want = "GET /authz/v1/posts?page=2 HTTP/1.1\r\nhost: api.example\r\nauthorization: Bearer TOKEN\r\ncontent-length: 0\r\n" +
			"x-envoy-expected-rq-timeout-ms: 1000\r\nx-envoy-internal: true\r\nx-forwarded-for: 203.0.113.7,127.0.0.1,127.0.0.1\r\n\r\n"
		if got := strings.ReplaceAll(string(player.asked), a.token, "TOKEN"); got != want {
			t.Errorf("asked\n%s\nwant\n%s", got, want)
		}
		if resp.Status != 200 || resp.Header.Get("RateLimit") == "" || resp.Header.Get("RateLimit-Policy") == "" {
			t.Errorf("answered %d with %v", resp.Status, resp.Header)
		}
		if resp.Header.Get("SocialPatra-Workspace") != "" || resp.Header.Get("X-Envoy-Auth-Headers-To-Remove") != "" {
			t.Errorf("the client sees %v", resp.Header)
		}
		a.wantForwarded(t, "GET /v1/posts?page=2", false)
	})
	t.Run("any host", func(t *testing.T) {
		for _, host := range []string{"localhost", "127.0.0.1", "other.example:9100"} {
			resp := a.front.raw(t, "GET /v1/posts HTTP/1.1\nHost: "+host+"\nConnection: close\n\n")
			denied(t, resp, 401, "missing_key")
		}
	})
	t.Run("limits", a.checkLimits)
	t.Run("address", func(t *testing.T) {
		// 127.0.0.1 is a trusted proxy here, so the address before it counts.
		office := bearer(a.gateway.token(t, "--scope", "posts:read", "--ip", "203.0.113.7"))
		if resp := a.front.do(t, "GET", "/v1/posts", "", office, "X-Forwarded-For: 203.0.113.7"); resp.Status != 200 {
			t.Errorf("answered %d %s", resp.Status, resp.Body)
		}
		denied(t, a.front.do(t, "GET", "/v1/posts", "", office, "X-Forwarded-For: 203.0.113.7, 198.51.100.1"), 403, "ip_not_allowed")
		denied(t, a.front.do(t, "GET", "/v1/posts", "", office, "X-Real-IP: 203.0.113.7"), 403, "ip_not_allowed")
	})
	t.Run("claims of an address", func(t *testing.T) {
		a.backend.take()
		resp := a.front.do(t, "GET", "/v1/posts", "", bearer(a.token), "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1", "CF-Connecting-IPv6: ::1", "X-Envoy-External-Address: 10.0.0.1", "X-Original-Forwarded-For: 10.0.0.1")
		if resp.Status != 200 {
			t.Fatalf("answered %d %s", resp.Status, resp.Body)
		}
		for name, values := range a.backend.takeOne(t).Header {
			if v := strings.Join(values, ","); strings.Contains(v, "10.0.0.1") || v == "::1" {
				t.Errorf("the backend saw %s: %s", name, v)
			}
		}
	})
	t.Run("body", func(t *testing.T) {
		k := bearer(a.gateway.token(t, "--scope", "posts:write"))
		a.backend.take()
		if resp := a.front.do(t, "POST", "/v1/posts", "hello", k); resp.Status != 200 {
			t.Errorf("answered %d %s", resp.Status, resp.Body)
		}
		if seen := a.backend.takeOne(t); seen.Method != "POST" || string(seen.Body) != "hello" {
			t.Errorf("the backend saw %s with %q", seen.Method, seen.Body)
		}
	})
	t.Run("the backend's own Authorization", func(t *testing.T) {
		a.backend.take()
		if resp := a.front.do(t, "GET", "/v1/posts", "", "X-API-Key: "+a.token, "Authorization: Basic YTpi"); resp.Status != 200 {
			t.Errorf("answered %d %s", resp.Status, resp.Body)
		}
		if seen := a.backend.takeOne(t); seen.Header.Get("Authorization") != "Basic YTpi" || seen.Header.Get("X-Api-Key") != "" {
			t.Errorf("the backend saw %v", seen.Header)
		}
	})
	t.Run("without the endpoint", func(t *testing.T) {
		if player.authz.FailureModeAllow || player.authz.StatusOnError.Code != "ServiceUnavailable" || player.authz.HTTPService.AuthorizationResponse.AllowedClientHeaders.Patterns != nil {
			t.Errorf("the page's filter is %+v", player.authz)
		}
		a.gateway.stop(t)
		a.backend.take()
		if resp := a.front.do(t, "GET", "/v1/posts", "", bearer(a.token)); resp.Status != http.StatusServiceUnavailable || len(a.backend.take()) > 0 {
			t.Errorf("answered %d", resp.Status)
		}
	})
}

// The endpoint itself, byte for byte, as those see it who ask as Envoy does.
func TestExtAuthzEndpoint(t *testing.T) {
	t.Parallel()
	endpoint, _ := envoyPage(t)
	g := startCaddy(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}"}))
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000")
	ask := func(method, target string, fields ...string) response {
		t.Helper()
		return g.raw(t, method+" "+target+" HTTP/1.1\nhost: api.example\ncontent-length: 0\nconnection: close\n"+strings.Join(append(fields, "\n"), "\n"))
	}
	key := "authorization: Bearer " + token
	for _, method := range []string{"GET", "HEAD"} {
		resp := ask(method, "/authz/v1/posts?a=b", key)
		if resp.Status != 200 || resp.Body != "" {
			t.Errorf("%s is answered %d %q, want 200", method, resp.Status, resp.Body)
		}
		wantHeaders(t, resp, map[string]string{
			"SocialPatra-Workspace": "acme", "SocialPatra-Key-Id": k.ID, "SocialPatra-Scopes": "posts:read", "Cache-Control": "no-store",
		})
		if unwanted := resp.Header.Get("X-Envoy-Auth-Headers-To-Remove"); !strings.Contains(unwanted, "authorization") || !strings.Contains(unwanted, "x-api-key") || strings.Contains(unwanted, "SocialPatra") {
			t.Errorf("to be taken off: %s", unwanted)
		}
		resp = ask(method, "/authz/v1/nothing", key)
		if resp.Status != 403 || (resp.Body == "") != (method == "HEAD") {
			t.Errorf("%s is answered %d %q, want 403", method, resp.Status, resp.Body)
		}
	}
	resp := ask("GET", "/authz/v1/status", key, "socialpatra-workspace: forged", "socialpatra-key-id: forged")
	for _, name := range []string{"Socialpatra-Workspace", "Socialpatra-Key-Id", "Socialpatra-Scopes"} {
		if values, ok := resp.Header[name]; !ok || len(values) != 1 || values[0] != "" {
			t.Errorf("a public route: %s is %q, want one that is empty", name, values)
		}
		if !strings.Contains(strings.ToLower(resp.Header.Get("X-Envoy-Auth-Headers-To-Remove")), strings.ToLower(name)) {
			t.Errorf("a public route: to be taken off: %v", resp.Header)
		}
	}
	// Nothing but the prefix opens, in no other spelling, and no 200 comes by
	// itself: not from Caddy, and not from what Go answers to OPTIONS *.
	for _, target := range []string{
		"/v1/posts", "/authz", "/authz?a", "/authzz/v1/posts", "/%61uthz/v1/posts", "//authz/v1/posts", "/AUTHZ/v1/posts", "/authz%2Fv1/posts",
		"/./authz/v1/posts", "/x/../authz/v1/posts", "/authz;/v1/posts", "/authz\\v1/posts", "/", "/authz*", "http://api.example/authz/v1/posts",
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			denied(t, ask(method, target, key), 400, "malformed_request")
		}
	}
	for target, want := range map[string]string{
		"/authz/../v1/posts": "ambiguous_path", "/authz//v1/posts": "ambiguous_path", "/authz/v1%2Fposts": "ambiguous_path", "/authz/v1/posts/a|b": "ambiguous_path",
		"/authz/v1/{x}": "ambiguous_path",
	} {
		denied(t, ask("GET", target, key), 400, want)
	}
	denied(t, ask("GET", "/authz/", key), 403, "route_not_mapped")
	denied(t, ask("TRACE", "/authz/v1/posts", key), 405, "method_not_allowed")
	denied(t, ask("PURGE", "/authz/v1/posts", key), 405, "method_not_allowed")
	denied(t, ask("OPTIONS", "/authz/v1/posts", "origin: https://shop.example", "access-control-request-method: GET"), 401, "missing_key")
	// The headers of other proxies mean nothing here.
	denied(t, ask("DELETE", "/authz/v1/posts", key, "x-forwarded-method: GET", "x-forwarded-uri: /v1/posts", "x-original-method: GET", "x-original-uri: /v1/posts"), 403, "route_not_mapped")
	// A body that Envoy sends along is not read, and no request of its own.
	resp = g.raw(t, "POST /authz/v1/posts HTTP/1.1\nhost: x\nconnection: close\ncontent-length: 7\n"+key+"\n\n{\"a\":1}")
	denied(t, resp, 403, "insufficient_scope")

	// Rewrites change neither what is judged nor whether it is below the prefix.
	site := "http://:{$PORT} {\n\trewrite * /authz/v1/posts\n\tmethod GET\n"
	if r := g.reload(t, onPorts(t, endpoint, map[string]string{"http://:9100 {\n": site})); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	denied(t, ask("GET", "/v1/posts", key), 400, "malformed_request")
	denied(t, ask("DELETE", "/authz/v1/posts", key), 403, "route_not_mapped")

	if r := g.reload(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}", "127.0.0.1/32": "203.0.113.7/32"})); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	denied(t, ask("GET", "/authz/v1/posts", key), 400, "malformed_request")
	denied(t, ask("GET", "/authz/v1/status", "x-forwarded-for: 127.0.0.1"), 400, "malformed_request")
}

// The page's other objects name what the page's Envoy names.
func TestGatewaysAreToldTheSame(t *testing.T) {
	t.Parallel()
	blocks := authorizationBlocks(t)
	c := readEnvoyConfig(t, blocks[4])
	var asked, kept []string
	for _, m := range c.authz.AllowedHeaders.Patterns {
		asked = append(asked, m.Exact)
	}
	for _, m := range c.authz.HTTPService.AuthorizationResponse.AllowedUpstreamHeaders.Patterns {
		kept = append(kept, m.Exact)
	}
	for i, block := range blocks[5:] {
		var object struct {
			Kind string
			Spec any
		}
		if err := yaml.Unmarshal([]byte(block), &object); err != nil {
			t.Fatal(err)
		}
		if want := []string{"SecurityPolicy", "HTTPRoute"}[i]; object.Kind != want {
			t.Errorf("object %d is a %s, want a %s", i, object.Kind, want)
		}
		for _, want := range []string{"[" + strings.Join(asked, ", ") + "]", "[" + strings.Join(kept, ", ") + "]", "path: " + c.authz.HTTPService.PathPrefix + "\n"} {
			if !strings.Contains(block, want) {
				t.Errorf("the %s does not have %q", object.Kind, want)
			}
		}
	}
}
