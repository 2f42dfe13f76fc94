package plugin_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Key-Expires is on every answer to a key that expires soon, over each protocol, and
// takes the place of the backend's.
func TestKeyExpiresOverEachProtocol(t *testing.T) {
	t.Parallel()
	const backend = "route {\nheader Key-Expires @1\nrespond served\n}"
	g := startNameGateway(t, "", "", backend)
	at := time.Now().Add(29 * 24 * time.Hour).Truncate(time.Second)
	soon := g.gateway.token(t, "--scope", "posts:read", "--expires-at", at.UTC().Format(time.RFC3339))
	other := g.gateway.token(t, "--scope", "ai:generate", "--expires-at", at.UTC().Format(time.RFC3339))
	later := g.gateway.token(t, "--scope", "posts:read", "--expires-in-days", "31")
	says := fmt.Sprintf("@%d", at.Unix())
	for _, protocol := range allProtocols {
		for _, tt := range []struct {
			method, path, token string
			status              int
			want                string
		}{
			{"GET", "/v1/posts", soon, 200, says},
			{"HEAD", "/v1/posts", soon, 200, says},
			{"POST", "/v1/posts", soon, 200, says},
			{"GET", "/v1/posts", other, 403, says},
			{"GET", "/elsewhere", soon, 403, says},
			{"GET", "/v1/posts", later, 200, ""},
			{"GET", "/v1/posts", "patra_unknown", 401, ""},
			{"GET", "/v1/status", soon, 200, "@1"},
		} {
			resp, err := g.send(protocol, wireRequest{Method: tt.method, Target: tt.path, Fields: []wireField{{"Authorization", "Bearer " + tt.token}}})
			if err != nil {
				t.Errorf("%s %s %s: %v", protocol, tt.method, tt.path, err)
				continue
			}
			values := resp.Header.Values("Key-Expires")
			if got := resp.Header.Get("Key-Expires"); resp.Status != tt.status || got != tt.want || len(values) > 1 {
				t.Errorf("%s %s %s: %d with %q; want %d with %q", protocol, tt.method, tt.path, resp.Status, values, tt.status, tt.want)
			}
		}
	}
}

func TestKeyExpiresOfWebSockets(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, socketRoutes)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	token := g.token(t, "--scope", "queue:read", "--expires-at", at.UTC().Format(time.RFC3339))
	_, resp := g.upgrade(t, "/websocket/echo", "websocket", bearer(token))
	if got := resp.Header.Get("Key-Expires"); resp.StatusCode != http.StatusSwitchingProtocols || got != fmt.Sprintf("@%d", at.Unix()) {
		t.Errorf("%d with %q", resp.StatusCode, got)
	}
}
