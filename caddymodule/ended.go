package caddymodule

import (
	"context"
	"net/http"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/caddymodule/lasting"
)

// join makes a request that is about to be forwarded end with its key. Most
// requests keep the server's context, which ends with the connection or stream,
// because another one would cost each request several allocations.
func (a *answer) join(w http.ResponseWriter, r *http.Request, d *access.Decision, open *lasting.Set) *http.Request {
	var cancel context.CancelFunc
	if a.writer.mayUpgrade || needsContext(r) {
		var ctx context.Context
		ctx, cancel = context.WithCancel(r.Context())
		r = r.WithContext(ctx)
	}
	open.Join(&a.open, d.ID, d.Grant.Hash, w, cancel)
	return r
}

// leave is for a handler behind that panics: reverse_proxy does so if an answer that
// has begun cannot go on.
func (a *answer) leave() {
	if a.open.Leave() {
		a.verdict.ended = a.open.Reason()
	}
}

// mostInBuffers is how many bytes of a body the connection to a backend takes,
// also from a backend that reads nothing.
const mostInBuffers = 16 << 10

// needsContext reports whether a request needs a context of its own, because cutting
// its connection might not end the server's context. An HTTP/1 server does not watch
// the connection before it has read the whole body, and a backend may not take a
// large one. The HTTP/3 server ends the context only for what the client does.
func needsContext(r *http.Request) bool {
	if r.ProtoMajor == 1 {
		return r.ContentLength < 0 || r.ContentLength > mostInBuffers
	}
	return r.ProtoMajor >= 3
}

// timeToRefuse is how long the refusal of a request that was not answered yet may
// take to be written.
const timeToRefuse = time.Second

// end ends a request whose key has ended while it was served. What was begun must
// not look complete, so the connection is closed, or the stream reset. What was not
// begun is refused as the key's next request is; in HTTP/2 the stream is reset
// already. As after a client that hung up, the request's headers are left as they
// are, and no error routes run.
func (a *answer) end(w http.ResponseWriter, d *access.Decision, err error) error {
	d.Reason = a.open.Reason()
	a.verdict.ended = d.Reason
	switch {
	case a.writer.hijacked: // the handler behind has closed the connection
		a.takeBack(err != nil)
		return err
	case a.writer.wroteHeader:
		panic(http.ErrAbortHandler)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeToRefuse)) // fails only where nothing can be written
	a.refuse(w)
	a.setRefusal(w.Header(), d)
	if a.request.ProtoMajor == 1 {
		w.Header()["Connection"] = a.values.Of("close") // nothing can be read from it any more
	}
	a.writeProblem(w, d)
	return nil
}
