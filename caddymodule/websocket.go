package caddymodule

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// asksForWebSocket reports whether a request would be upgraded. Upgrade has no
// meaning unless Connection names it, and none in HTTP/1.0 (RFC 9110 §7.8).
// HTTP/2 and HTTP/3 do not have these headers; they use CONNECT, which Keygate
// never serves.
func asksForWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return len(upgrade) > 0 && r.ProtoMajor == 1 && r.ProtoMinor >= 1 &&
		httpguts.HeaderValuesContainsToken(upgrade, "websocket") &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade")
}

// checkSocketsEvery bounds how long a WebSocket outlives its key.
const checkSocketsEvery = time.Second

// socket is a WebSocket opened with a key, from when the request is forwarded
// until its tunnel has ended.
type socket struct {
	id     apikey.ID
	hash   apikey.Hash // another secret under the same ID is another key
	cancel context.CancelFunc
	conn   net.Conn // to the client; nil until the backend has accepted the upgrade
}

// cut makes the handler that owns the tunnel end it, whether it waits for the
// backend, whose connection ends with the request's context, or for the client.
// It never blocks, and does nothing to a tunnel that has ended.
func (s *socket) cut() {
	s.cancel()
	if s.conn != nil {
		_ = s.conn.SetDeadline(time.Unix(1, 0)) // fails only if it is closed
	}
}

// sockets are the WebSockets that depend on keys.
type sockets struct {
	mu     sync.Mutex
	live   map[*socket]struct{}
	closed bool // the store is closed, so no socket may live
}

// open registers a request that is about to be forwarded. The context that it
// returns ends when the key does. The caller must close the socket.
func (l *sockets) open(ctx context.Context, d *access.Decision) (context.Context, *socket) {
	ctx, cancel := context.WithCancel(ctx)
	s := &socket{id: d.ID, hash: d.Grant.Hash, cancel: cancel}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = make(map[*socket]struct{})
	}
	l.live[s] = struct{}{}
	if l.closed {
		s.cut()
	}
	return ctx, s
}

// upgraded records the client connection of a socket.
func (l *sockets) upgraded(s *socket, conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.conn = conn
	if l.closed {
		s.cut()
	}
}

func (l *sockets) close(s *socket) {
	s.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, s)
}

// check cuts the sockets whose key is not active at the instant now, or cannot be
// looked up. It holds no lock during the look-ups, which may take long.
func (l *sockets) check(store keystore.Grants, now time.Time) {
	l.mu.Lock()
	live := slices.Collect(maps.Keys(l.live))
	l.mu.Unlock()
	for _, s := range live {
		grant, found, err := store.Lookup(s.id)
		if err != nil || !found || !grant.Hash.Equal(s.hash) || grant.Status(now) != apikey.Active {
			l.mu.Lock()
			s.cut()
			l.mu.Unlock()
		}
	}
}

// closeAll cuts all sockets, and all that are opened later.
func (l *sockets) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for s := range l.live {
		s.cut()
	}
}
