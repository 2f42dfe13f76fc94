package lasting

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// Request is a request that a key has opened, from when it is forwarded until the
// handlers behind have returned. It is part of what a request costs anyway, so
// that keeping it allocates nothing. The zero Request is kept nowhere and never
// ends. A Request must not be used again after Leave.
type Request struct {
	shard      *shard
	next, prev *Request
	round      uint32 // of the set, when the request joined it

	id   apikey.ID
	hash apikey.Hash // another secret under the same ID is another key

	w      http.ResponseWriter
	cancel context.CancelFunc // of the request's own context; nil: it has none

	state  atomic.Uint32
	reason access.Reason // set before state becomes ended
	calls  atomic.Int32  // of handlers behind that write the answer

	ending sync.Mutex // held while the request is being ended
	conn   net.Conn   // of an upgraded request; guarded by ending
	tries  int        // how often it was cut; guarded by ending
}

// States of a request.
const (
	open  uint32 = iota
	ended        // its key has ended, so it must too
	left         // the handlers behind have returned
)

// Ended reports whether the request must end, because its key has ended.
func (r *Request) Ended() bool { return r.state.Load() == ended }

// Reason returns, for a request that had to end when it left, how the key's next
// request is refused.
func (r *Request) Reason() access.Reason { return r.reason }

// Leave takes the request from its set and reports whether it must end. After the
// first call nothing touches its connection any more, and later calls do nothing.
func (r *Request) Leave() (mustEnd bool) {
	if r.shard == nil {
		return false
	}
	r.shard.remove(r)
	r.shard = nil
	if r.cancel != nil {
		r.cancel()
	}
	if r.state.Swap(left) == open {
		return false
	}
	r.ending.Lock() // whoever is cutting it is done
	defer r.ending.Unlock()
	return true
}

// Enter is called before a handler behind writes to the answer. If it returns
// true, Exit must follow. If it returns false, nothing may be written.
func (r *Request) Enter() bool {
	r.calls.Add(1)
	if r.Ended() {
		r.calls.Add(-1)
		return false
	}
	return true
}

// Exit is called after a handler behind has written to the answer.
func (r *Request) Exit() { r.calls.Add(-1) }

// Upgraded tells the request the client's connection, which its handler now owns.
func (r *Request) Upgraded(conn net.Conn) {
	r.ending.Lock()
	defer r.ending.Unlock()
	r.conn = conn
	if r.Ended() {
		r.cut()
	}
}

// end makes the request end, unless it has left. It reports whether it must be
// looked after until it has.
func (r *Request) end(why access.Reason) bool {
	r.ending.Lock()
	defer r.ending.Unlock()
	if r.state.Load() != open {
		return false
	}
	r.reason = why
	if !r.state.CompareAndSwap(open, ended) { // it has just left
		return false
	}
	r.cut()
	return true
}

// again cuts a request once more that has not left yet, and reports whether it
// has to be looked after for longer.
func (r *Request) again() bool {
	r.ending.Lock()
	defer r.ending.Unlock()
	if !r.Ended() {
		return false
	}
	r.cut()
	if r.tries++; r.tries >= triesToClose {
		r.close()
	}
	return r.tries < mostTries
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// cut makes all that waits for the client fail, and what waits for the backend by
// way of the request's context. It does not block.
//
// An expired deadline for reading ends the context of HTTP/1, an expired one for
// writing resets a stream of HTTP/2 and so ends its context too. In HTTP/3 the
// request has a context of its own.
func (r *Request) cut() {
	if r.cancel != nil {
		r.cancel()
	}
	if r.conn != nil {
		_ = r.conn.SetDeadline(longAgo) // fails only if it is closed
		return
	}
	if r.w == nil {
		return
	}
	// Deadlines that are not supported, or of a closed connection, need nothing.
	_ = http.NewResponseController(r.w).SetReadDeadline(longAgo)
	// Caddy's writer that sets a deadline for each write may be in use by another
	// goroutine, so only the server's own is told.
	if w, ok := base(r.w).(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = w.SetWriteDeadline(longAgo)
	}
}

// close closes the connection of HTTP/1 if the request lives on, although it was
// cut: no deadline reaches a handler that waits for the backend alone, while a
// client has sent bytes of a next request, or while the backend does not take the
// body. It does so only when no handler writes to the answer.
func (r *Request) close() {
	if r.conn != nil || r.w == nil || r.calls.Load() != 0 {
		return
	}
	hijacker, ok := base(r.w).(http.Hijacker)
	if !ok {
		return
	}
	if conn, _, err := hijacker.Hijack(); err == nil {
		_ = conn.Close() // nothing else owns it
		r.conn = conn
	}
}

// base returns the writer of the server, without what handlers put around it.
func base(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}
