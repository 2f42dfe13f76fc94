package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// trackedBody is the body of an HTTP/1 request that notes whether it was read to
// its end. Go's server would see to what follows it on the connection by itself,
// if Caddy had not put a body of its own in the place of the server's.
//
// Other goroutines than the handler's may read it.
type trackedBody struct {
	io.ReadCloser             // nil where there is none to track
	left          int64       // bytes that Content-Length promises still; below 0: as many as come
	complete      atomic.Bool // there is no more
}

func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left >= 0 {
		if b.left -= int64(n); b.left <= 0 {
			b.complete.Store(true)
		}
	} else if err == io.EOF { // the very error that ends a body
		b.complete.Store(true)
	}
	return n, err
}

// trackBody puts the tracked body in its place. Only HTTP/1 has to know where a
// body ends in order to find the next request.
func (a *answer) trackBody() {
	r := a.request
	if r.ProtoMajor != 1 || r.ContentLength == 0 || r.Body == nil {
		return
	}
	a.body.ReadCloser, a.body.left = r.Body, max(r.ContentLength, -1)
	r.Body = &a.body
}

// closeAfterBody has the connection closed after the answer, whose header is
// about to be written, unless the request was read to its end: what follows
// might be taken for another request, or never come. Go's server then does not
// wait for the rest before it answers, as it otherwise would also where the
// client waits for 100 (Continue).
func (a *answer) closeAfterBody(w http.ResponseWriter) {
	if a.body.ReadCloser == nil || a.body.complete.Load() {
		return
	}
	w.Header()["Connection"] = a.values.of("close")
	if length := a.request.ContentLength; length < 0 || length > mostDrained {
		lingerOnClose(w)
	}
}

// mostDrained is how much of a body Go's server reads after the answer, before
// it closes the connection.
const mostDrained = 256 << 10

// lingerOnClose has Go's server wait a moment between its last byte and closing
// the connection, so that the answer is not lost to a client that is still
// writing: a reset may overtake it (RFC 9112 §9.6). The server does so where a
// body is larger than allowed, of which only http.MaxBytesReader can tell it.
func lingerOnClose(w http.ResponseWriter) {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1)) // fails, and tells w
}
