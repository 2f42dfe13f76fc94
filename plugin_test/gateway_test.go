package plugin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestKeyOpensWhatItsScopesName(t *testing.T) {
	t.Parallel()
	g, b := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")

	resp := g.do(t, "GET", "/v1/posts?page=2", "", bearer(token))
	if resp.Status != http.StatusOK {
		t.Fatalf("GET /v1/posts: %d %s", resp.Status, resp.Body)
	}
	seen := b.takeOne(t)
	if seen.URI != "/v1/posts?page=2" {
		t.Errorf("the backend saw %s", seen.URI)
	}
	for name, want := range map[string][]string{
		"Socialpatra-Workspace": {"acme"},
		"Socialpatra-Key-Id":    {k.ID},
		"Socialpatra-Scopes":    {"posts:read"},
		"Authorization":         nil,
	} {
		if got := seen.Header[name]; !slices.Equal(got, want) {
			t.Errorf("the backend saw %s: %q, want %q", name, got, want)
		}
	}
	wantHeaders(t, resp, map[string]string{
		"RateLimit-Policy": `"minute";q=60;w=60, "day";q=10000;w=86400`,
		"Cache-Control":    "private",
	})
	if got := resp.Header["Vary"]; !slices.Equal(got, []string{"Origin", "Authorization, X-Api-Key"}) {
		t.Errorf("Vary: %q", got)
	}
	if got := resp.Header.Get("RateLimit"); !strings.HasPrefix(got, `"minute";r=59;t=1, "day";r=9999;t=`) {
		t.Errorf("RateLimit: %s", got)
	}

	p := denied(t, g.do(t, "POST", "/v1/posts", "{}", bearer(token)), 403, "insufficient_scope")
	if !strings.Contains(p.Detail, "posts:write") || p.Type != "urn:keygate:problem:insufficient_scope" {
		t.Errorf("the problem is %+v", p)
	}
	if seen := b.take(); len(seen) > 0 {
		t.Errorf("the backend saw %+v", seen)
	}

	if resp := g.do(t, "GET", "/v1/posts/42", "", "Authorization: bEARER "+token); resp.Status != 200 {
		t.Errorf("GET /v1/posts/42: %d", resp.Status)
	}
	if resp := g.do(t, "HEAD", "/v1/posts", "", bearer(token)); resp.Status != 200 {
		t.Errorf("HEAD /v1/posts: %d", resp.Status)
	}
	if resp := g.do(t, "GET", "/v1/me", "", "X-API-Key: "+token); resp.Status != 200 {
		t.Errorf("GET /v1/me: %d", resp.Status)
	}
	for _, seen := range b.take() {
		for _, values := range seen.Header {
			if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, token) }) {
				t.Errorf("the backend saw the token in %v", seen.Header)
			}
		}
	}
}

func wantHeaders(t testing.TB, resp response, want map[string]string) {
	t.Helper()
	for name, value := range want {
		got := resp.Header.Values(name)
		if value == "" && len(got) > 0 || value != "" && !slices.Equal(got, []string{value}) {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestDenials(t *testing.T) {
	t.Parallel()
	g, b := startSite(t)
	reader, readToken := g.createKey(t, "--scope", "posts:read")
	pinned := g.token(t, "--scope", "posts:read", "--ip", "203.0.113.7")
	local := g.token(t, "--scope", "posts:read", "--ip", "127.0.0.0/8")
	paged := g.token(t, "--scope", "posts:read", "--origin", "https://*.shop.example")
	revoked, revokedToken := g.createKey(t, "--scope", "posts:read")
	if r := g.cli(t, "keygate", "revoke", revoked.ID); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	const noSuchKey = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"
	wrongSecret := noSuchKeyWithID(reader.ID)

	const bare = `Bearer realm="keygate"`
	invalid := bare + `, error="invalid_token"`
	malformed := bare + `, error="invalid_request"`
	tests := map[string]struct {
		method, path string
		headers      []string
		status       int
		code         string
		challenge    string
	}{
		"no key":                {"GET", "/v1/posts", nil, 401, "missing_key", bare},
		"key in the query":      {"GET", "/v1/posts?api_key=" + noSuchKey, nil, 401, "missing_key", bare},
		"other scheme":          {"GET", "/v1/posts", []string{"Authorization: Basic YTpi"}, 401, "missing_key", bare},
		"two places":            {"GET", "/v1/posts", []string{bearer(readToken), "X-API-Key: " + readToken}, 400, "malformed_request", malformed},
		"twice":                 {"GET", "/v1/posts", []string{bearer(readToken), bearer(readToken)}, 400, "malformed_request", malformed},
		"noise":                 {"GET", "/v1/posts", []string{bearer("abc")}, 401, "invalid_key", invalid},
		"no such key":           {"GET", "/v1/posts", []string{bearer(noSuchKey)}, 401, "invalid_key", invalid},
		"wrong secret":          {"GET", "/v1/posts", []string{bearer(wrongSecret)}, 401, "invalid_key", invalid},
		"bad checksum":          {"GET", "/v1/posts", []string{bearer(flipLast(readToken))}, 401, "invalid_key", invalid},
		"revoked":               {"GET", "/v1/posts", []string{bearer(revokedToken)}, 401, "key_revoked", invalid},
		"other address":         {"GET", "/v1/posts", []string{bearer(pinned)}, 403, "ip_not_allowed", ""},
		"forged address":        {"GET", "/v1/posts", []string{bearer(pinned), "X-Forwarded-For: 203.0.113.7"}, 403, "ip_not_allowed", ""},
		"allowed address":       {"GET", "/v1/posts", []string{bearer(local)}, 200, "", ""},
		"no origin":             {"GET", "/v1/posts", []string{bearer(paged)}, 403, "origin_not_allowed", ""},
		"null origin":           {"GET", "/v1/posts", []string{bearer(paged), "Origin: null"}, 403, "origin_not_allowed", ""},
		"foreign origin":        {"GET", "/v1/posts", []string{bearer(paged), "Origin: https://shop.example.evil"}, 403, "origin_not_allowed", ""},
		"allowed origin":        {"GET", "/v1/posts", []string{bearer(paged), "Origin: https://eu.shop.example"}, 200, "", ""},
		"not mapped":            {"DELETE", "/v1/posts/1", []string{bearer(readToken)}, 403, "route_not_mapped", ""},
		"other case":            {"GET", "/v1/Posts", []string{bearer(readToken)}, 403, "route_not_mapped", ""},
		"trailing slash":        {"GET", "/v1/posts/", []string{bearer(readToken)}, 403, "route_not_mapped", ""},
		"no scope":              {"POST", "/v1/posts", []string{bearer(readToken)}, 403, "insufficient_scope", bare + `, error="insufficient_scope", scope="posts:write"`},
		"no scopes":             {"POST", "/v1/posts/with-media", []string{bearer(readToken)}, 403, "insufficient_scope", bare + `, error="insufficient_scope", scope="posts:write media:upload"`},
		"dot segments":          {"GET", "/v1/x/../posts", []string{bearer(readToken)}, 400, "ambiguous_path", ""},
		"encoded slash":         {"GET", "/v1/posts%2f1", []string{bearer(readToken)}, 400, "ambiguous_path", ""},
		"double slash":          {"GET", "/v1//posts", nil, 400, "ambiguous_path", ""},
		"method":                {"TRACE", "/v1/posts", nil, 405, "method_not_allowed", ""},
		"unknown method":        {"BREW", "/v1/posts", nil, 405, "method_not_allowed", ""},
		"public":                {"GET", "/v1/status", nil, 200, "", ""},
		"public, with nonsense": {"GET", "/v1/status", []string{bearer("abc"), "Socialpatra-Workspace: forged"}, 200, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b.take()
			resp := g.do(t, test.method, test.path, "", test.headers...)
			if test.status == http.StatusOK {
				if resp.Status != 200 {
					t.Fatalf("answered %d: %s", resp.Status, resp.Body)
				}
				seen := b.takeOne(t)
				if test.path == "/v1/status" && (seen.Header["Authorization"] != nil || seen.Header["Socialpatra-Workspace"] != nil) {
					t.Errorf("the backend of a public route saw %v", seen.Header)
				}
				return
			}
			denied(t, resp, test.status, test.code)
			wantHeaders(t, resp, map[string]string{"Www-Authenticate": test.challenge})
			if seen := b.take(); len(seen) > 0 {
				t.Errorf("the backend saw %+v", seen)
			}
		})
	}
	unknown, wrong := g.do(t, "GET", "/v1/posts", "", bearer(noSuchKey)), g.do(t, "GET", "/v1/posts", "", bearer(wrongSecret))
	if withoutInstance(unknown.Body) != withoutInstance(wrong.Body) {
		t.Error("an unknown key and a wrong secret can be told apart")
	}
}

func TestBackendSeesOneIdentity(t *testing.T) {
	t.Parallel()
	g, b := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")
	g.raw(t, strings.ReplaceAll(`GET /v1/posts HTTP/1.1
Host: x
Authorization: Bearer TOKEN
Connection: close, SocialPatra-Workspace, SocialPatra-Key-Id
SocialPatra-Workspace: forged
socialpatra-workspace: forged
SOCIALPATRA-ROLE: admin
SocialPatra-Key-Id: forged
X-HTTP-Method-Override: DELETE
X-Original-URL: /v1/admin
X-Rewrite-URL: /v1/admin
X-Forwarded-Prefix: /v1/admin
X-Real-IP: 203.0.113.7
Forwarded: for=203.0.113.7
True-Client-IP: 203.0.113.7
CF-Connecting-IP: 203.0.113.7
Upgrade: h2c
HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA
Transfer-Encoding: chunked
Trailer: X-End

0
SocialPatra-Workspace: forged
SocialPatra_Workspace: forged
X-End: 1

`, "TOKEN", token))
	seen := b.takeOne(t)
	want := map[string][]string{"Socialpatra-Workspace": {"acme"}, "Socialpatra-Key-Id": {k.ID}, "Socialpatra-Scopes": {"posts:read"}}
	for name, values := range seen.Header {
		switch expected := want[name]; {
		case strings.HasPrefix(environmentName(name), "HTTP_SOCIALPATRA"):
			if !slices.Equal(values, expected) {
				t.Errorf("the backend saw %s: %q, want %q", name, values, expected)
			}
			delete(want, name)
		case slices.Contains([]string{
			"X-Http-Method-Override", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix", "X-Real-Ip",
			"Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "Upgrade", "Http2-Settings", "Authorization",
		}, name):
			t.Errorf("the backend saw %s: %q", name, values)
		}
	}
	if len(want) > 0 {
		t.Errorf("the backend did not see %v", want)
	}
	if len(seen.Trailer) > 0 {
		t.Errorf("the backend saw the trailers %v", seen.Trailer)
	}
}

func TestErrorsCaddyHandsOver(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	config := strings.Replace(siteWith("errors caddy"), "reverse_proxy", `handle_errors {
		respond "{err.status_code} {err.message} {http.auth.keygate.reason} {http.auth.keygate.instance}" {err.status_code}
	}
	reverse_proxy`, 1)
	g := startCaddy(t, config, "BACKEND="+b.Addr)
	resp := g.do(t, "GET", "/v1/posts", "", "Origin: https://shop.example")
	if resp.Status != 401 || resp.Body != "401 missing_key missing_key "+resp.Header.Get("Request-Id") || !randomUUID.MatchString(resp.Header.Get("Request-Id")) {
		t.Errorf("answered %d %q", resp.Status, resp.Body)
	}
	wantHeaders(t, resp, map[string]string{"Www-Authenticate": `Bearer realm="keygate"`, "Access-Control-Allow-Origin": "https://shop.example"})
}

// A backend that cannot be reached must not take Keygate's headers with it.
func TestHeadersSurviveABackendThatIsDown(t *testing.T) {
	t.Parallel()
	g := startCaddy(t, siteWith(), "BACKEND=127.0.0.1:1")
	resp := g.do(t, "GET", "/v1/posts", "", bearer(g.token(t, "--scope", "posts:read")), "Origin: https://shop.example")
	if resp.Status != 502 || resp.Header.Get("RateLimit") == "" || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("answered %d with %v", resp.Status, resp.Header)
	}
}
