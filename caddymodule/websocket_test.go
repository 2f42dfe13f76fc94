package caddymodule

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

func TestAsksForWebSocket(t *testing.T) {
	for _, test := range []struct {
		name                string
		major, minor        int
		upgrade, connection []string
		want                bool
	}{
		{"plain", 1, 1, nil, nil, false},
		{"websocket", 1, 1, []string{"websocket"}, []string{"Upgrade"}, true},
		{"any case, among others", 1, 1, []string{"h2c, WebSocket"}, []string{"keep-alive, uPGRADE"}, true},
		{"in a second line", 1, 1, []string{"h2c", "websocket"}, []string{"close", "upgrade"}, true},
		{"h2c", 1, 1, []string{"h2c"}, []string{"Upgrade"}, false},
		{"part of a word", 1, 1, []string{"websockets"}, []string{"Upgrade"}, false},
		{"not in Connection", 1, 1, []string{"websocket"}, []string{"keep-alive"}, false},
		{"no Connection", 1, 1, []string{"websocket"}, nil, false},
		{"HTTP/1.0", 1, 0, []string{"websocket"}, []string{"Upgrade"}, false},
		{"HTTP/2", 2, 0, []string{"websocket"}, []string{"Upgrade"}, false},
		{"HTTP/3", 3, 0, []string{"websocket"}, []string{"Upgrade"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{ProtoMajor: test.major, ProtoMinor: test.minor, Header: http.Header{"Upgrade": test.upgrade, "Connection": test.connection}}
			if got := asksForWebSocket(r); got != test.want {
				t.Errorf("asksForWebSocket = %v", got)
			}
		})
	}
}

// cutConn tells whether it was cut.
type cutConn struct {
	net.Conn
	cut atomic.Bool
}

func (c *cutConn) SetDeadline(at time.Time) error {
	c.cut.Store(at.Before(testStart))
	return nil
}

// The connection is given away for a WebSocket, and ends with its key; for nothing
// else.
func TestHijack(t *testing.T) {
	h := provisioned(t, new(Handler))
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	upgrade := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	for _, test := range []struct {
		path                 string
		upgrade, key, passes bool
	}{
		{"/v1/live", true, true, true},
		{"/v1/live", false, true, false},
		{"/v1/posts", false, true, false},
		{"/v1/status/live", true, false, true},
		{"/v1/status", false, false, false},
	} {
		header := http.Header{}
		if test.upgrade {
			header = upgrade.Clone()
		}
		_, token := storeKey(t, h, func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(time.Hour) })
		if test.key {
			header["Authorization"] = bearer(token)
		}
		w := &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: new(cutConn)}
		err := h.ServeHTTP(w, httpRequest("GET", test.path, header), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			if test.passes != (err == nil) || !test.passes && !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("%s, upgrade %v: Hijack: %v", test.path, test.upgrade, err)
			}
			if err == nil {
				endKeys(e)
				if cut := conn.(*cutConn).cut.Load(); cut != test.key || (r.Context().Err() != nil) != test.key {
					t.Errorf("%s: cut: %v, context: %v", test.path, cut, r.Context().Err())
				}
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
	}
}

// Where the connection cannot be given away, as in HTTP/2 or after an error, the
// backend's handler answers otherwise, and that answer has what is ours. So has
// the one that says the connection becomes a WebSocket, after which there is none.
func TestAnswersToHijackers(t *testing.T) {
	h := provisioned(t, new(Handler))
	_, token := storeKey(t, h, nil)
	for name, test := range map[string]struct {
		w      http.ResponseWriter
		status int
	}{
		"not supported": {httptest.NewRecorder(), 502},
		"failed":        {&hijackable{ResponseRecorder: httptest.NewRecorder(), err: errors.New("closed")}, 502},
		"done":          {&hijackable{ResponseRecorder: httptest.NewRecorder(), conn: new(net.TCPConn)}, 101},
	} {
		t.Run(name, func(t *testing.T) {
			r := httpRequest("GET", "/v1/live", http.Header{"Authorization": bearer(token), "Connection": {"Upgrade"}, "Upgrade": {"websocket"}})
			err := h.ServeHTTP(test.w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Ratelimit", "theirs")
				if test.status == http.StatusSwitchingProtocols {
					w.WriteHeader(test.status)
				}
				_, _, err := http.NewResponseController(w).Hijack()
				if (err == nil) != (test.status == http.StatusSwitchingProtocols) {
					t.Errorf("Hijack: %v", err)
				}
				if err != nil {
					w.WriteHeader(test.status)
				}
				return nil
			}))
			if err != nil {
				t.Error(err)
			}
			header := test.w.Header()
			if got := header["Ratelimit"]; len(got) != 1 || !strings.HasPrefix(got[0], `"minute"`) || len(header["Ratelimit-Policy"]) != 1 || len(header["Vary"]) != 2 {
				t.Errorf("the answer has %v", header)
			}
		})
	}
}

type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
	err  error
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.err != nil {
		return nil, nil, h.err
	}
	return h.conn, bufio.NewReadWriter(bufio.NewReader(io.MultiReader()), bufio.NewWriter(io.Discard)), nil
}

// endKeys looks at what is served when every key of a test has expired.
func endKeys(e *openStore) {
	for range 2 { // what has lasted for less than a round is not looked at
		e.open.Look(e.store, time.Now().Add(24*time.Hour))
	}
}
