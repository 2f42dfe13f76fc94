package plugin_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// authorizationPage returns the code blocks of docs/authorization-endpoint.md
// about Caddy and nginx.
func authorizationPage(t testing.TB) (endpoint, caddy, nginx string) {
	t.Helper()
	blocks := authorizationBlocks(t)
	return blocks[0], blocks[1], blocks[2]
}

// envoyPage returns the page's endpoint for Envoy, and Envoy's configuration.
func envoyPage(t testing.TB) (endpoint, envoy string) {
	t.Helper()
	blocks := authorizationBlocks(t)
	return blocks[3], blocks[4]
}

func authorizationBlocks(t testing.TB) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/authorization-endpoint.md")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, block := range regexp.MustCompile("(?s)```(caddyfile|nginx|yaml)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		kinds, blocks = append(kinds, block[1]), append(blocks, block[2])
	}
	if want := []string{"caddyfile", "caddyfile", "nginx", "caddyfile", "yaml", "yaml", "yaml"}; !slices.Equal(kinds, want) {
		t.Fatalf("the page has blocks of %q, want %q", kinds, want)
	}
	return blocks
}

// onPorts returns a config of the page on other ports than the page's.
func onPorts(t testing.TB, config string, ports map[string]string) string {
	t.Helper()
	for old, port := range ports {
		if !strings.Contains(config, old) {
			t.Fatalf("the config does not have %s: %s", old, config)
		}
		config = strings.ReplaceAll(config, old, port)
	}
	return config
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':'):] }

// authorizer is an endpoint with keys, and what stands in front of the backend.
type authorizer struct {
	*gateway
	front   *gateway
	backend *backend
	reader  key
	token   string
}

func startAuthorizer(t testing.TB, endpoint string, front func(endpoint, backend string) *gateway) *authorizer {
	t.Helper()
	a := &authorizer{backend: startBackend(t)}
	a.gateway = startCaddy(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}"}))
	a.reader, a.token = a.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000")
	a.front = front(portOf(a.URL), portOf(a.backend.Addr))
	return a
}

// asItCame stands for what proxies treat in their own ways: refused, encoded,
// or forwarded. What reaches the backend must be what was judged: mapped, and
// not another path.
const asItCame = 0

// What passes an authorisation endpoint and what does not, whoever asks it.
var authorizations = []struct {
	method, target string
	headers        []string // $KEY is the reader's
	status         int
	code           string
}{
	{"GET", "/v1/posts", []string{"$KEY"}, 200, ""},
	{"HEAD", "/v1/posts", []string{"$KEY"}, 200, ""},
	{"GET", "/v1/posts", []string{"X-API-Key: $TOKEN"}, 200, ""},
	{"GET", "/v1/posts/42?q=a#/../b", []string{"$KEY"}, asItCame, ""},
	{"GET", "/v1/posts/a{env.HOME}", []string{"$KEY"}, asItCame, ""},
	{"GET", "/v1\\posts", []string{"$KEY"}, asItCame, ""},
	{"GET", "/v1/posts/a|b", []string{"$KEY"}, asItCame, ""},
	{"GET", "/v1/posts/42?q=../x;//&p={env.HOME}&q=a%2fb", []string{"$KEY"}, 200, ""},
	{"GET", "/v1/posts/a%20b", []string{"$KEY"}, 200, ""},
	{"GET", "/v1/posts/%7Benv.HOME%7D", []string{"$KEY"}, 200, ""},
	{"GET", "/v1/posts/%7Bhttp.request.header.Authorization%7D", []string{"$KEY"}, 200, ""},
	{"GET", "/v1/status", nil, 200, "public"},
	{"GET", "/v1/status", []string{"$KEY", "SocialPatra-Workspace: forged", "socialpatra-key-id: forged", "SocialPatra-Role: forged", "Connection: close, SocialPatra-Workspace"}, 200, "public"},
	{"GET", "/v1/posts", []string{"$KEY", "SocialPatra-Workspace: forged", "SOCIALPATRA-SCOPES: forged", "SocialPatra-Role: forged", "SocialPatra_Role: forged", "Connection: close, SocialPatra-Workspace, SocialPatra-Key-Id"}, 200, ""},
	{"GET", "/v1/posts", []string{
		"$KEY", "X-HTTP-Method-Override: DELETE", "X-Original-URL: /v1/forged", "X-Rewrite-URL: /v1/forged", "X-Forwarded-Prefix: /forged",
		"X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "X-Original-Method: DELETE", "X-Forwarded-Uri: /v1/forged", "X-Forwarded-Method: DELETE",
	}, 200, ""},

	{"GET", "/v1/posts", nil, 401, "missing_key"},
	{"GET", "/v1/posts", []string{"Authorization: Bearer nonsense"}, 401, "invalid_key"},
	{"POST", "/v1/posts", []string{"$KEY"}, 403, "insufficient_scope"},
	{"DELETE", "/v1/posts", []string{"$KEY"}, 403, "route_not_mapped"},
	{"GET", "/v1/nothing", []string{"$KEY"}, 403, "route_not_mapped"},
	{"OPTIONS", "/v1/posts", []string{"Origin: https://shop.example", "Access-Control-Request-Method: GET"}, 401, "missing_key"},
	// The headers of the question are the proxy's alone.
	{"POST", "/v1/posts", []string{"$KEY", "X-Forwarded-Method: GET", "X-Original-Method: GET", "X-HTTP-Method-Override: GET"}, 403, "insufficient_scope"},
	{"GET", "/v1/nothing", []string{"$KEY", "X-Forwarded-Uri: /v1/posts", "X-Original-URI: /v1/posts", "X-Original-Uri: /v1/posts"}, 403, "route_not_mapped"},
	{"GET", "/v1/nothing", []string{"$KEY", "Connection: close, X-Forwarded-Uri, X-Original-Uri", "X-Forwarded-Uri: /v1/posts"}, 403, "route_not_mapped"},
	// An ambiguous path reaches Keygate as it came.
	{"GET", "/v1/posts/%2e%2e", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts%2F42", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts%2f42?a", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/%70osts", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts/a%252fb", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts/42;x", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts/..;/42", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts/%5c42", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "//v1/posts", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1//posts", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/x/../posts", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/status/../posts", nil, 400, "ambiguous_path"},
	{"GET", "/v1/posts%3f/../x", []string{"$KEY"}, 400, "ambiguous_path"},
	{"GET", "/v1/posts/%00", []string{"$KEY"}, 400, "ambiguous_path"},
}

// check sends all of them, raw, through the front.
func (a *authorizer) check(t *testing.T, bodies bool) {
	t.Helper()
	home := a.front.Dir // in which {env.HOME} is
	for _, test := range authorizations {
		t.Run(fmt.Sprint(test.method, " ", test.target, " ", test.headers), func(t *testing.T) {
			a.backend.take()
			var b strings.Builder
			for _, header := range test.headers {
				b.WriteString(strings.NewReplacer("$KEY", bearer(a.token), "$TOKEN", a.token).Replace(header) + "\n")
			}
			if !strings.Contains(b.String(), "Connection:") {
				b.WriteString("Connection: close\n")
			}
			resp := a.front.raw(t, test.method+" "+test.target+" HTTP/1.1\nHost: x\n"+b.String()+"\n")
			if test.status != 200 {
				seen := a.backend.take()
				if test.status == asItCame {
					for _, r := range seen {
						if !strings.HasPrefix(r.URI, "/v1/posts/") || strings.Contains(r.URI, home) {
							t.Errorf("the backend saw %s", r.URI)
						}
					}
					return
				}
				if len(seen) > 0 {
					t.Errorf("the backend saw %v", seen)
				}
				if bodies {
					denied(t, resp, test.status, test.code)
				}
				if resp.Status != test.status {
					t.Errorf("answered %d, want %d", resp.Status, test.status)
				}
				challenges := 0
				if test.status == 401 || test.code == "insufficient_scope" {
					challenges = 1
				}
				if len(resp.Header.Values("WWW-Authenticate")) != challenges {
					t.Errorf("answered %d with %v, want %d challenges", resp.Status, resp.Header, challenges)
				}
				return
			}
			if resp.Status != 200 && resp.Status != 404 { // httpbin does not serve HEAD everywhere
				t.Fatalf("answered %d %s", resp.Status, resp.Body)
			}
			a.wantForwarded(t, test.method+" "+test.target, test.code == "public")
		})
	}
}

// checkLimits asks with a key beyond its minute: the client is told when it may ask
// again.
func (a *authorizer) checkLimits(t *testing.T) {
	k := bearer(a.gateway.token(t, "--scope", "posts:read", "--per-minute", "1"))
	if resp := a.front.do(t, "GET", "/v1/posts", "", k); resp.Status != 200 {
		t.Errorf("answered %d %s", resp.Status, resp.Body)
	}
	resp := a.front.do(t, "GET", "/v1/posts", "", k)
	denied(t, resp, 429, "rate_limited")
	if resp.Header.Get("Retry-After") == "" || resp.Header.Get("RateLimit") == "" {
		t.Errorf("answered with %v", resp.Header)
	}
}

// wantForwarded checks that the one request at the backend is the one that was
// judged, with the identity and nothing that a client may not say.
func (a *authorizer) wantForwarded(t *testing.T, request string, public bool) {
	t.Helper()
	seen := a.backend.takeOne(t)
	if got := seen.Method + " " + seen.URI; got != request {
		t.Errorf("the backend saw %s, want %s", got, request)
	}
	if !public {
		wantIdentity(t, seen.Header, a.reader)
	}
	for name, values := range seen.Header {
		switch {
		case slices.ContainsFunc(values, func(v string) bool {
			return strings.Contains(v, "forged") || strings.Contains(v, "DELETE") || strings.Contains(v, a.token)
		}):
			t.Errorf("the backend saw %s: %q", name, values)
		case public && strings.HasPrefix(environmentName(name), "HTTP_SOCIALPATRA"):
			t.Errorf("the backend of a public route saw %s: %q", name, values)
		}
	}
}

func TestForwardAuth(t *testing.T) {
	t.Parallel()
	endpoint, caddy, _ := authorizationPage(t)
	a := startAuthorizer(t, endpoint, func(endpoint, backend string) *gateway {
		return startCaddy(t, onPorts(t, caddy, map[string]string{"http://:8080": "http://:{$PORT}", ":9100": endpoint, ":9000": backend}))
	})
	a.check(t, true)

	t.Run("limits", a.checkLimits)
	t.Run("address", func(t *testing.T) {
		local := bearer(a.gateway.token(t, "--scope", "posts:read", "--ip", "127.0.0.1"))
		office := bearer(a.gateway.token(t, "--scope", "posts:read", "--ip", "203.0.113.7"))
		if resp := a.front.do(t, "GET", "/v1/posts", "", local); resp.Status != 200 {
			t.Errorf("answered %d %s", resp.Status, resp.Body)
		}
		denied(t, a.front.do(t, "GET", "/v1/posts", "", office, "X-Forwarded-For: 203.0.113.7"), 403, "ip_not_allowed")
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
}

// The endpoint itself, as a proxy sees it.
func TestAuthorizationEndpoint(t *testing.T) {
	t.Parallel()
	endpoint, _, _ := authorizationPage(t)
	g := startCaddy(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}"}))
	k, token := g.createKey(t, "--scope", "posts:read")
	const method, uri = "X-Forwarded-Method: GET", "X-Forwarded-Uri: /v1/posts?a=b"

	resp := g.do(t, "GET", "/anything", "", bearer(token), method, uri)
	if resp.Status != 204 || resp.Body != "" {
		t.Errorf("answered %d %q, want 204", resp.Status, resp.Body)
	}
	wantHeaders(t, resp, map[string]string{
		"SocialPatra-Workspace": "acme", "SocialPatra-Key-Id": k.ID, "SocialPatra-Scopes": "posts:read",
		"Cache-Control": "no-store", "RateLimit-Policy": `"minute";q=60;w=60, "day";q=10000;w=86400`,
	})
	resp = g.do(t, "GET", "/", "", bearer(token), method, "X-Forwarded-Uri: /v1/status", "SocialPatra-Workspace: forged")
	if resp.Status != 204 {
		t.Errorf("a public route: %d %s", resp.Status, resp.Body)
	}
	wantHeaders(t, resp, map[string]string{"SocialPatra-Workspace": "", "SocialPatra-Key-Id": "", "SocialPatra-Scopes": ""})

	for name, headers := range map[string][]string{
		"nothing":     nil,
		"no method":   {uri},
		"no path":     {method},
		"two paths":   {method, uri, uri},
		"two methods": {method, method, uri},
		"nginx's":     {"X-Original-Method: GET", "X-Original-Uri: /v1/posts"},
	} {
		t.Run(name, func(t *testing.T) {
			p := denied(t, g.do(t, "GET", "/v1/posts", "", append(headers, bearer(token))...), 400, "malformed_request")
			if !strings.Contains(p.Detail, "trusted_proxies") || !strings.Contains(p.Detail, "X-Forwarded-Uri") {
				t.Errorf("the detail is %q", p.Detail)
			}
		})
	}
	denied(t, g.do(t, "GET", "/", "", bearer(token), "X-Forwarded-Method: get", uri), 405, "method_not_allowed")
	denied(t, g.do(t, "GET", "/", "", bearer(token), method, "X-Forwarded-Uri: http://x/v1/posts"), 400, "ambiguous_path")
	denied(t, g.do(t, "GET", "/", "", bearer(token), method, "X-Forwarded-Uri: /v1/posts#a"), 400, "ambiguous_path")
	denied(t, g.do(t, "GET", "/", "", bearer(token), method, "X-Forwarded-Uri: "), 400, "ambiguous_path")

	if r := g.reload(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}", "127.0.0.1/32": "203.0.113.7/32"})); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	denied(t, g.do(t, "GET", "/", "", bearer(token), method, uri), 400, "malformed_request")
}
