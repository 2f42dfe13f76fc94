package caddymodule

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/socialpatra/keygate/caddymodule/lasting"
)

// trackedBody is the body of a request. It records whether the body was read to
// its end, which HTTP/1 needs to find the next request. Go's server would handle
// the bytes that follow on the connection by itself, but Caddy has replaced the
// server's body by its own.
//
// Goroutines other than the handler's may read it.
type trackedBody struct {
	io.ReadCloser             // nil if nothing is tracked
	left          int64       // bytes left of Content-Length; negative: unknown length
	framed        bool        // the end of the body is where the next request begins
	complete      atomic.Bool // read to the end
	open          *lasting.Request
}

func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left >= 0 {
		if b.left -= int64(n); b.left <= 0 {
			b.complete.Store(true)
		}
	} else if err == io.EOF { // exactly this error ends a body
		b.complete.Store(true)
	}
	if err != nil && err != io.EOF && b.open.Ended() {
		err = context.Canceled // so that the backend, which is sent the body, is not blamed
	}
	return n, err
}

// unread reports whether what follows on the connection is not a request.
func (b *trackedBody) unread() bool { return b.framed && !b.complete.Load() }

// trackBody replaces the body by the tracked one.
func (a *answer) trackBody() {
	r := a.request
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	a.body.ReadCloser, a.body.left = r.Body, max(r.ContentLength, -1)
	a.body.framed, a.body.open = r.ProtoMajor == 1, &a.open
	r.Body = &a.body
}

// closeAfterBody makes the server close the connection after the answer, unless
// the request was read to its end. What follows might be taken for another
// request, or might never come. It is called just before the header is written.
// Go's server then does not wait for the rest of the body before it answers;
// otherwise it would wait even if the client waits for 100 (Continue).
func (a *answer) closeAfterBody(w http.ResponseWriter) {
	if !a.body.unread() {
		return
	}
	w.Header()["Connection"] = a.values.Of("close")
	if length := a.request.ContentLength; length < 0 || length > mostDrained {
		lingerOnClose(w)
	}
}

// mostDrained is how many bytes of a body Go's server reads after the answer
// before it closes the connection.
const mostDrained = 256 << 10

// lingerOnClose makes Go's server wait briefly after its last byte before it
// closes the connection. Otherwise a client that is still writing may lose the
// answer, because a reset may overtake it (RFC 9112 §9.6). The server does this
// for a body that is too large, and only http.MaxBytesReader can tell the server
// that a body is.
func lingerOnClose(w http.ResponseWriter) {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1)) // fails, and thereby tells w
}
