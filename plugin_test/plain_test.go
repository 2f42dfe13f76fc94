package plugin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Caddy with Keygate built in but not configured is Caddy: what the rest of
// this package sees is Keygate's doing, not the harness's or the backend's.
const plainSite = `
:{$PORT} {
	reverse_proxy {$BACKEND}
}
`

func TestPlainCaddyPassesAllOn(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, plainSite, "BACKEND="+b.Addr)

	resp := g.do(t, "POST", "/v1/posts?q=1", "hello", bearer("t"), "SocialPatra-Workspace: forged")
	if resp.Status != http.StatusOK {
		t.Errorf("status %d, want 200: %s", resp.Status, resp.Body)
	}
	got := b.takeOne(t)
	if got.Method != "POST" || got.URI != "/v1/posts?q=1" || string(got.Body) != "hello" {
		t.Errorf("the backend saw %s %s %q", got.Method, got.URI, got.Body)
	}
	for name, want := range map[string]string{"Authorization": "Bearer t", "SocialPatra-Workspace": "forged"} {
		if have := got.Header.Values(name); !slices.Equal(have, []string{want}) {
			t.Errorf("the backend saw %s: %q, want %q", name, have, want)
		}
	}

	resp = g.raw(t, "POST /v1/a%2fb HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\nTrailer: X-End\n\n1\nx\n0\nX-End: 1\n\n")
	if resp.Status != http.StatusOK {
		t.Errorf("status %d, want 200: %s", resp.Status, resp.Body)
	}
	if got := b.takeOne(t); got.URI != "/v1/a%2fb" || got.Trailer.Get("X-End") != "1" {
		t.Errorf("the backend saw %s with trailers %v", got.URI, got.Trailer)
	}
}

func TestPlainCaddyLives(t *testing.T) {
	t.Parallel()
	const site = ":{$PORT} {\n\trespond ANSWER\n}\n"
	answers := func(g *gateway, want string) {
		t.Helper()
		if got := g.do(t, "GET", "/", ""); got.Body != want {
			t.Errorf("answered %q, want %q", got.Body, want)
		}
	}
	g := startCaddy(t, strings.Replace(site, "ANSWER", "one", 1))
	answers(g, "one")

	if r := g.reload(t, strings.Replace(site, "ANSWER", "two", 1)); r.Code != 0 {
		t.Errorf("reload: status %d: %s", r.Code, r.Stderr)
	}
	answers(g, "two")

	if r := g.reload(t, ":{$PORT} {\n\tnonsense\n}\n"); r.Code == 0 {
		t.Error("a bad config was loaded")
	}
	answers(g, "two")

	g.writeConfig(t, strings.Replace(site, "ANSWER", "three", 1))
	g.kill9(t)
	g.start(t)
	answers(g, "three")
	if r := g.adminDo(t, "GET", "/config/apps/http/servers/srv0/listen", ""); !strings.Contains(r.Body, g.URL[len("http://127.0.0.1"):]) {
		t.Errorf("the admin endpoint answered %d %q", r.Status, r.Body)
	}
	if r := g.cli(t, "list-modules"); r.Code != 0 || !strings.Contains(r.Stdout, "http.handlers.keygate") {
		t.Errorf("list-modules: status %d, without keygate: %s", r.Code, r.Stderr)
	}
	scanForSecret(t, "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn", g.Dir)
}
