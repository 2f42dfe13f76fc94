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

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
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

// openSocket opens a socket of a key that has a connection.
func openSocket(t *testing.T, l *sockets, k apikey.Key) (ended func() bool) {
	t.Helper()
	ctx, s := l.open(t.Context(), &access.Decision{ID: k.ID, Grant: apikey.Grant{Hash: k.Hash}})
	t.Cleanup(func() { l.close(s) })
	conn := new(cutConn)
	l.upgraded(s, conn)
	return func() bool {
		cut := conn.cut.Load()
		if cut != (ctx.Err() != nil) {
			t.Errorf("the connection is cut: %v, the context: %v", cut, ctx.Err())
		}
		return cut
	}
}

func TestSocketsCheck(t *testing.T) {
	h := provisioned(t, new(Handler))
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	expiry := testStart.Add(time.Hour)
	by := keystore.Actor{At: testStart, Via: "test"}
	update := func(edit func(*apikey.Key)) func(apikey.Key) error {
		return func(k apikey.Key) error {
			_, err := e.store.Update(k.ID, "update", by, func(k *apikey.Key) error { edit(k); return nil })
			return err
		}
	}
	for _, test := range []struct {
		name   string
		change func(apikey.Key) error
		at     time.Time
		want   bool // ended
	}{
		{"as it was", nil, expiry.Add(-1), false},
		{"renamed", update(func(k *apikey.Key) { k.Name = "other" }), testStart, false},
		{"revoked", update(func(k *apikey.Key) { k.RevokedAt = testStart }), testStart, true},
		{"disabled", update(func(k *apikey.Key) { k.Disabled = true }), testStart, true},
		{"expired", nil, expiry, true},
		{"expiry moved", update(func(k *apikey.Key) { k.ExpiresAt = testStart.Add(time.Minute) }), testStart.Add(time.Minute), true},
		{"deleted", func(k apikey.Key) error { return e.store.Delete(k.ID, by, nil) }, testStart, true},
		{"another key in its place", func(k apikey.Key) error {
			other := k
			_, _, other.Hash = apikey.Generate(apikey.DefaultBrand)
			return errors.Join(e.store.Delete(k.ID, by, nil), e.store.Create(other, by))
		}, testStart, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, _ := storeKey(t, h, func(k *apikey.Key) { k.ExpiresAt = expiry })
			neighbour, _ := storeKey(t, h, nil)
			var l sockets
			ended, neighbourEnded := openSocket(t, &l, k), openSocket(t, &l, neighbour)
			l.check(e.store, testStart)
			if ended() {
				t.Fatal("ended before the change")
			}
			if test.change != nil {
				if err := test.change(k); err != nil {
					t.Fatal(err)
				}
			}
			l.check(e.store, test.at)
			if got := ended(); got != test.want {
				t.Errorf("ended: %v, want %v", got, test.want)
			}
			if neighbourEnded() {
				t.Error("another key's socket has ended")
			}
		})
	}
}

// Where the store cannot answer, or has been closed, no socket lives on.
func TestSocketsEndWithTheStore(t *testing.T) {
	h := provisioned(t, new(Handler))
	k, _ := storeKey(t, h, nil)
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	ended := openSocket(t, &e.sockets, k)
	if ended() {
		t.Fatal("ended while the store is open")
	}
	var apart sockets // which nobody closes
	apartEnded := openSocket(t, &apart, k)
	if err := h.app.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if !ended() {
		t.Error("it outlives the store")
	}
	if late := openSocket(t, &e.sockets, k); !late() {
		t.Error("one that was opened too late lives")
	}
	apart.check(e.store, testStart)
	if !apartEnded() {
		t.Error("it outlives a store that cannot answer")
	}
}

// The connection is given away for a WebSocket, with the socket told of it, and
// for nothing else.
func TestHijack(t *testing.T) {
	h := provisioned(t, new(Handler))
	_, token := storeKey(t, h, nil)
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
		if test.key {
			header["Authorization"] = bearer(token)
		}
		w := &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: new(net.TCPConn)}
		err := h.ServeHTTP(w, httpRequest("GET", test.path, header), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			if test.passes != (err == nil) || !test.passes && !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("%s, upgrade %v: Hijack: %v", test.path, test.upgrade, err)
			}
			if live := len(e.sockets.live); live > 0 != (test.passes && test.key) {
				t.Errorf("%s, upgrade %v: %d sockets", test.path, test.upgrade, live)
			}
			for s := range e.sockets.live {
				if s.conn != conn {
					t.Errorf("%s: the socket has the connection %v, want %v", test.path, s.conn, conn)
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
				for s := range h.app.opened.Load().sockets.live {
					if (s.conn == nil) != (err != nil) {
						t.Errorf("the socket has the connection %v", s.conn)
					}
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

func BenchmarkSocketsCheck(b *testing.B) {
	h := provisioned(b, new(Handler))
	k, _ := storeKey(b, h, nil)
	e, err := h.app.open()
	if err != nil {
		b.Fatal(err)
	}
	var l sockets
	for range 10_000 {
		_, s := l.open(b.Context(), &access.Decision{ID: k.ID, Grant: apikey.Grant{Hash: k.Hash}})
		defer l.close(s)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.check(e.store, testStart)
	}
}
