package plugin_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// socketGrace is how long a WebSocket may outlive its key.
const socketGrace = 5 * time.Second

const socketRoutes = `scope queue:read GET /websocket/echo websocket
scope queue:read GET /websocket/closed`

// webSocket is a client's end of one, in the bytes of RFC 6455.
type webSocket struct {
	conn net.Conn
	r    *bufio.Reader
}

// upgrade asks for a WebSocket and returns the answer to that. As [gateway.send] does,
// it asks again where a reload has cut it off.
func (g *gateway) upgrade(t testing.TB, path, upgrade string, headers ...string) (*webSocket, *http.Response) {
	t.Helper()
	for {
		ws, resp, err := g.tryUpgrade(t, path, upgrade, headers...)
		if err == nil {
			return ws, resp
		}
		if time.Now().Unix()-g.reloaded.Load() > 5 {
			t.Fatal(err)
		}
	}
}

func (g *gateway) tryUpgrade(t testing.TB, path, upgrade string, headers ...string) (*webSocket, *http.Response, error) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n\r\n", path, upgrade, strings.Join(headers, "\r\n"))
	ws := &webSocket{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(ws.r, &http.Request{Method: "GET"})
	return ws, resp, err
}

// echo sends a short text and wants it back.
func (ws *webSocket) echo(t testing.TB, text string) {
	t.Helper()
	if err := ws.echoes(text); err != nil {
		t.Fatal(err)
	}
}

// echoes is echo where the end may come first. The mask is zeros (§5.3).
func (ws *webSocket) echoes(text string) error {
	frame := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	if _, err := ws.conn.Write(frame); err != nil {
		return err
	}
	got := make([]byte, 2+len(text))
	if _, err := io.ReadFull(ws.r, got); err != nil {
		return err
	}
	if want := "\x81" + string(rune(len(text))) + text; string(got) != want {
		return fmt.Errorf("echoed %q, want %q", got, want)
	}
	return nil
}

// awaitEnd returns when the gateway has closed the connection, which must be soon after
// the key's end, but for what the machine adds.
func (ws *webSocket) awaitEnd(t testing.TB, end time.Time, added func() time.Duration) {
	t.Helper()
	ws.conn.SetReadDeadline(end.Add(patience))
	_, err := io.Copy(io.Discard, ws.r)
	if took := time.Since(end); errors.Is(err, os.ErrDeadlineExceeded) || took > socketGrace+added() {
		t.Errorf("still open %v after the key's end, where the machine adds %v", took, added())
	}
}

func TestWebSocketEndsWithItsKey(t *testing.T) {
	t.Parallel()
	g, b := startSite(t, socketRoutes)
	added := g.delays(t.Context(), t)
	for name, end := range map[string][]string{
		"revoked":  {"revoke"},
		"disabled": {"disable"},
		"deleted":  {"delete", "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			b.take()
			k, token := g.createKey(t, "--scope", "queue:read")
			ws, resp := g.upgrade(t, "/websocket/echo", "h2c, websocket", bearer(token))
			if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("RateLimit") == "" {
				t.Fatalf("answered %d %v", resp.StatusCode, resp.Header)
			}
			seen := b.takeOne(t)
			if got := seen.Header["Upgrade"]; !slices.Equal(got, []string{"websocket"}) || seen.Header.Get("Socialpatra-Key-Id") != k.ID {
				t.Errorf("the backend saw %v", seen.Header)
			}
			ws.echo(t, "before")
			if r := g.cli(t, append([]string{"keygate", end[0], k.ID}, end[1:]...)...); r.Code != 0 {
				t.Fatal(r.Stderr)
			}
			ws.awaitEnd(t, time.Now(), added)
		})
	}
	t.Run("expired", func(t *testing.T) {
		// A busy machine may need longer to get there than the key has: then the next
		// one has longer.
		for left := 4 * time.Second; ; left *= 2 {
			expiry := time.Now().Truncate(time.Second).Add(left) // expiries are whole seconds
			r := g.cli(t, "keygate", "create", "--workspace", "acme", "--name", "test", "--scope", "queue:read", "--expires-at", expiry.Format(time.RFC3339Nano))
			if late := time.Now().After(expiry); late && left < time.Minute {
				continue
			} else if r.Code != 0 {
				t.Fatal(r.Stderr)
			}
			ws, resp := g.upgrade(t, "/websocket/echo", "websocket", bearer(tokenIn(t, r.Stdout)))
			var echoed error
			if resp.StatusCode == http.StatusSwitchingProtocols {
				echoed = ws.echoes("before")
			}
			if late := time.Now().After(expiry); late && left < time.Minute {
				continue
			} else if resp.StatusCode != http.StatusSwitchingProtocols || echoed != nil {
				t.Fatalf("answered %d, %v", resp.StatusCode, echoed)
			}
			ws.awaitEnd(t, expiry, added)
			if now := time.Now(); now.Before(expiry) {
				t.Errorf("closed %v before the key's end", expiry.Sub(now))
			}
			return
		}
	})
}

func TestWebSocketRefused(t *testing.T) {
	t.Parallel()
	g, b := startSite(t, socketRoutes)
	token := g.token(t, "--scope", "queue:read")
	other := g.token(t, "--scope", "posts:read")
	for name, test := range map[string]struct {
		path, token string
		status      int
	}{
		"route without the option": {"/websocket/closed", token, 403},
		"without the scope":        {"/websocket/echo", other, 403},
		"not mapped":               {"/websocket/other", token, 403},
		"bad key":                  {"/websocket/echo", "abc", 401},
	} {
		t.Run(name, func(t *testing.T) {
			_, resp := g.upgrade(t, test.path, "websocket", bearer(test.token))
			if seen := b.take(); resp.StatusCode != test.status || len(seen) > 0 {
				t.Errorf("answered %d, want %d; the backend saw %v", resp.StatusCode, test.status, seen)
			}
		})
	}
}
