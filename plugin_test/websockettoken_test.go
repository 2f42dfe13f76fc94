package plugin_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// socketBackend accepts WebSockets and picks the subprotocol app where it is
// offered. It sends what it was offered and who called as one text, and ends.
type socketBackend struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header
}

func startSocketBackend(t testing.TB) *socketBackend {
	t.Helper()
	b := new(socketBackend)
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *socketBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.seen = append(b.seen, r.Header.Clone())
	b.mu.Unlock()
	if r.Header.Get("Upgrade") != "websocket" {
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	offered := strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", ")
	chosen := ""
	if slices.Contains(strings.Split(offered, ", "), "app") {
		chosen = "Sec-WebSocket-Protocol: app\r\n"
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 §4.2.2
	text := offered + " for " + r.Header.Get("Socialpatra-Workspace")
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n%s\r\n\x81%c%s",
		base64.StdEncoding.EncodeToString(sum[:]), chosen, len(text), text)
	_ = buffered.Flush()
	_, _ = buffered.ReadByte() // until the client is done
}

// take returns the headers of the requests since the last call.
func (b *socketBackend) take() []http.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// socketOptions are in every config here that takes tokens in subprotocols.
var socketOptions = []string{"websocket_token subprotocol", "scope queue:read GET /v1/live websocket", "public GET /v1/open websocket"}

// A token in a subprotocol opens a WebSocket. Whatever becomes of the request, the
// token is in no log, and the backend sees it in no header.
func TestTokenInASubprotocol(t *testing.T) {
	t.Parallel()
	b := startSocketBackend(t)
	for _, errorsOption := range []string{"problem", "caddy"} {
		config := strings.Replace(siteWith(append(socketOptions, "errors "+errorsOption)...), "reverse_proxy {$BACKEND}", `header >X-Seen {header.Sec-Websocket-Protocol}
	handle_errors {
		header X-Error {err.status_code}
		respond "an error"
	}
	reverse_proxy {$BACKEND}`, 1)
		g := startCaddy(t, config, "BACKEND="+b.Listener.Addr().String())
		k, token := g.createKey(t, "--scope", "queue:read")
		_, other := g.createKey(t, "--scope", "posts:read")
		down := strings.Replace(config, "reverse_proxy {$BACKEND}", "reverse_proxy 127.0.0.1:1", 1)
		carrying := func(token string) string { return "Sec-WebSocket-Protocol: keygate.token." + token }
		for _, test := range []struct {
			name, path, upgrade string
			headers             []string
			status              int
			offered, chosen     string
		}{
			{"with another", "/v1/live", "websocket", []string{carrying(token) + ", app"}, 101, "app", "app"},
			{"after others", "/v1/live", "websocket", []string{"Sec-WebSocket-Protocol: v2 , app", carrying(token)}, 101, "v2 , app", "app"},
			{"alone", "/v1/live", "websocket", []string{carrying(token)}, 101, "", ""},
			{"public", "/v1/open", "websocket", []string{carrying(token) + ", app"}, 101, "app", "app"},
			{"twice", "/v1/live", "websocket", []string{carrying(token), carrying(token)}, 400, "", ""},
			{"beside Authorization", "/v1/live", "websocket", []string{carrying(token), bearer(token)}, 400, "", ""},
			{"beside Basic", "/v1/live", "websocket", []string{carrying(token), "Authorization: Basic YTpi"}, 400, "", ""},
			{"beside the header", "/v1/live", "websocket", []string{carrying(token), "X-API-Key: x"}, 400, "", ""},
			{"without the scope", "/v1/live", "websocket", []string{carrying(other) + ", app"}, 403, "", ""},
			{"a bare token", "/v1/live", "websocket", []string{"Sec-WebSocket-Protocol: " + token + ", app"}, 401, "", ""},
			{"not a WebSocket", "/v1/live", "h2c", []string{carrying(token)}, 401, "", ""},
			{"on another route", "/v1/me", "websocket", []string{carrying(token)}, 401, "", ""},
			{"of no meaning", "/v1/me", "h2c", []string{carrying(token) + ", app", bearer(token)}, 200, "app", ""},
			{"in another case", "/v1/live", "websocket", []string{strings.ToUpper("Sec-WebSocket-Protocol: keygate.token.") + token + ", app"}, 101, "app", "app"},
		} {
			t.Run(errorsOption+"/"+test.name, func(t *testing.T) {
				b.take()
				ws, resp := g.upgrade(t, test.path, test.upgrade, test.headers...)
				defer ws.conn.Close()
				if chosen := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode != test.status || chosen != test.chosen {
					t.Errorf("answered %d with %q, want %d with %q", resp.StatusCode, chosen, test.status, test.chosen)
				}
				seen := b.take()
				if passes := test.status < 300; (len(seen) == 1) != passes {
					t.Fatalf("the backend saw %v", seen)
				}
				for _, header := range seen {
					if offered := strings.Join(header.Values("Sec-WebSocket-Protocol"), ", "); offered != test.offered {
						t.Errorf("the backend is offered %q, want %q", offered, test.offered)
					}
					if strings.Contains(fmt.Sprint(header), secretOf(token)) {
						t.Errorf("the backend saw %v", header)
					}
				}
				if strings.Contains(fmt.Sprint(resp.Header), secretOf(token)) {
					t.Errorf("the client got %v", resp.Header)
				}
			})
		}
		if r := g.reload(t, down); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		// The servers of the config before may answer a connection that they have accepted.
		await(t, "answer 502 without a backend", func() bool {
			_, resp := g.upgrade(t, "/v1/live", "websocket", carrying(token)+", app")
			return resp.StatusCode == 502
		})
		g.mustCLI(t, "revoke", k.ID)
		if _, resp := g.upgrade(t, "/v1/live", "websocket", carrying(token)+", app"); resp.StatusCode != 401 {
			t.Errorf("answered %d to a revoked key", resp.StatusCode)
		}
		g.awaitLog(t, `"handled request"`, `"uri":"/v1/live"`, `"status":401`, `"key_revoked"`)
		g.awaitLog(t, `"handled request"`, `"uri":"/v1/live"`, `"status":101`, k.ID)
		log, err := os.ReadFile(g.Log)
		if err != nil {
			t.Fatal(err)
		}
		if at := strings.Index(string(log), secretOf(token)); at >= 0 {
			line := string(log[:at])
			t.Errorf("the token is in the log: %s…", line[strings.LastIndexByte(line, '\n')+1:])
		}
		scanForSecret(t, token, g.Dir)
	}
}
