package plugin_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

const foreignRoutes = `deny GET /v1/posts/closed
foreign pass
resource_metadata https://api.example.com/.well-known/oauth-protected-resource
scope posts:read GET /websocket/echo websocket`

// Requests of other systems pass as they came, and those with a key of ours are
// judged by it.
func TestForeignPass(t *testing.T) {
	t.Parallel()
	g, b := startSite(t, foreignRoutes)
	_, token := g.createKey(t, "--scope", "posts:read")
	revoked, revokedToken := g.createKey(t, "--scope", "posts:read")
	g.mustCLI(t, "revoke", revoked.ID)
	for _, test := range []struct {
		path    string
		headers []string
		status  int
		code    string // of a denial
		who     string // the workspace that the backend is told
		own     string // the Authorization that it sees
		ownKey  string
	}{
		{"/v1/posts", nil, 200, "", "", "", ""},
		{"/v1/posts", []string{"Authorization: Bearer " + jwt}, 200, "", "", "Bearer " + jwt, ""},
		{"/v1/posts", []string{"Authorization: Basic YTpi", "X-API-Key: theirs"}, 200, "", "", "Basic YTpi", "theirs"},
		{"/v1/posts", []string{"Cookie: session=1", "SocialPatra-Workspace: evil"}, 200, "", "", "", ""},
		{"/v1/posts", []string{bearer(token)}, 200, "", "acme", "", ""},
		{"/v1/posts", []string{"X-API-Key: " + token, "Authorization: Bearer " + jwt}, 200, "", "acme", "Bearer " + jwt, ""},
		{"/v1/posts", []string{bearer(token), "X-API-Key: theirs"}, 200, "", "acme", "", "theirs"},
		{"/v1/posts", []string{bearer(revokedToken), "X-API-Key: theirs"}, 401, "key_revoked", "", "", ""},
		{"/v1/posts", []string{bearer(token[:30])}, 401, "invalid_key", "", "", ""},
		{"/v1/posts", []string{bearer(token), "Authorization: Bearer " + jwt}, 400, "malformed_request", "", "", ""},
		{"/v1/posts/closed", []string{"Authorization: Bearer " + jwt}, 403, "route_not_mapped", "", "", ""},
		{"/elsewhere", []string{"Cookie: session=1"}, 403, "route_not_mapped", "", "", ""},
		{"/v1//posts", nil, 400, "ambiguous_path", "", "", ""},
	} {
		resp := g.do(t, "GET", test.path, "", test.headers...)
		if test.code != "" {
			denied(t, resp, test.status, test.code)
			if seen := b.take(); len(seen) > 0 {
				t.Errorf("%s %q reaches the backend", test.path, test.headers)
			}
			continue
		}
		seen := b.takeOne(t).Header
		if resp.Status != test.status || seen.Get("SocialPatra-Workspace") != test.who || seen.Get("Authorization") != test.own || seen.Get("X-Api-Key") != test.ownKey {
			t.Errorf("%s %q: %d, and the backend sees %v", test.path, test.headers, resp.Status, seen)
		}
	}
	// A browser's session may open a WebSocket where a key may.
	ws, _ := g.upgrade(t, "/websocket/echo", "websocket", "Cookie: session=1")
	ws.echo(t, "hello")
	if got := byLabel(g.metrics(t)["caddy_keygate_foreign_total"])[""]; got != 5 {
		t.Errorf("%v requests are counted as foreign, want 5", got)
	}
	resp := g.do(t, "GET", "/v1/posts", "", bearer(token[:30]))
	if got := resp.Header.Get("WWW-Authenticate"); got != `Bearer realm="keygate", error="invalid_token", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"` {
		t.Errorf("the challenge is %s", got)
	}
}

// Nothing behind the handler is told when the config is checked, and when it is
// loaded; the one that runs goes on.
func TestForeignPassToNothing(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, "foreign pass")
	alone := strings.Replace(siteWith("foreign pass"), "reverse_proxy {$BACKEND}", "encode", 1)
	if r := g.reload(t, alone); r.Code == 0 || !strings.Contains(r.Stderr, "no handler that answers is behind keygate") {
		t.Errorf("loaded: %d %s", r.Code, r.Stderr)
	}
	if r := g.cli(t, "validate", "--config", "Caddyfile"); r.Code == 0 || !strings.Contains(r.Stderr, "no handler that answers is behind keygate") {
		t.Errorf("validated: %d %s", r.Code, r.Stderr)
	}
	if r := g.cli(t, "keygate", "lint", "Caddyfile"); r.Code == 0 || !strings.Contains(r.Stdout, "nothing_behind") {
		t.Errorf("linted: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if resp := g.do(t, "GET", "/v1/posts", ""); resp.Status != 200 {
		t.Errorf("what ran is gone: %+v", resp)
	}
}

// A key that mode report has let in opens a WebSocket for as long as it lives.
func TestReportedWebSocketEndsWithItsKey(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, "mode report", socketRoutes)
	k, token := g.createKey(t, "--scope", "queue:read")
	ws, _ := g.upgrade(t, "/websocket/echo", "websocket", bearer(token))
	other, _ := g.upgrade(t, "/websocket/echo", "websocket", "Cookie: session=1")
	ws.echo(t, "hello")
	other.echo(t, "hello")
	added := g.delays(t.Context(), t)
	g.mustCLI(t, "revoke", k.ID)
	ws.awaitEnd(t, time.Now(), added)
	other.echo(t, "still here")
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 401, "key_revoked")
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || !strings.Contains(r.Stderr, "mode report: nothing is enforced by keygate at Caddyfile:") {
		t.Errorf("health: %d %s", r.Code, r.Stderr)
	}
	if r := g.cli(t, "keygate", "doctor"); !strings.Contains(r.Stdout, "nothing is enforced at Caddyfile:") {
		t.Errorf("doctor: %s%s", r.Stdout, r.Stderr)
	}
	if r := g.cli(t, "keygate", "routes"); !strings.Contains(r.Stdout, "Gateway 1 is in mode report") {
		t.Errorf("routes: %s%s", r.Stdout, r.Stderr)
	}
	if r := g.cli(t, "keygate", "explain", k.ID, "--method", "GET", "--path", "/v1/posts"); !strings.Contains(r.Stdout, "The request is denied: 401 key_revoked") {
		t.Errorf("explain: %s%s", r.Stdout, r.Stderr)
	}
	if r := g.cli(t, "keygate", "explain", g.otherKey(t), "--method", "GET", "--path", "/v1/me/x"); !strings.Contains(r.Stdout, "passes, as the gateway is in mode report; enforced it would be denied: 403 route_not_mapped") {
		t.Errorf("explain: %s%s", r.Stdout, r.Stderr)
	}
	if log, err := os.ReadFile(g.Log); err != nil || !strings.Contains(string(log), "mode report: nothing is enforced here") {
		t.Errorf("the log does not say so: %v", err)
	}
}

func (g *gateway) otherKey(t *testing.T) string {
	t.Helper()
	k, _ := g.createKey(t, "--scope", "posts:read")
	return k.ID
}
