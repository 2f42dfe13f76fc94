package client

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// pipedResponse is a ResponseWriter whose body is read while it is written, so
// that a backup never has to be in memory as a whole.
type pipedResponse struct {
	trace  *httptrace.ClientTrace // nil: informational answers are dropped
	header http.Header
	sent   http.Header // the header when the status was written
	status int
	begin  sync.Once
	begun  chan struct{} // closed once status and sent are set
	done   chan struct{} // closed once the handler has returned
	broken error         // why the answer was cut short; nil: not known
	reader *io.PipeReader
	writer *io.PipeWriter
}

func newPipedResponse(r *http.Request) *pipedResponse {
	w := &pipedResponse{
		trace:  httptrace.ContextClientTrace(r.Context()),
		header: make(http.Header),
		begun:  make(chan struct{}),
		done:   make(chan struct{}),
	}
	w.reader, w.writer = io.Pipe()
	return w
}

// failed records why an answer is cut short.
func (w *pipedResponse) failed(_ *http.Request, _ int, err error) { w.broken = err }

func (w *pipedResponse) Header() http.Header { return w.header }

func (w *pipedResponse) WriteHeader(status int) {
	if status < http.StatusOK { // an informational answer
		if w.trace != nil && w.trace.Got1xxResponse != nil {
			_ = w.trace.Got1xxResponse(status, textproto.MIMEHeader(w.header.Clone())) // can only end the call
		}
		return
	}
	w.begin.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *pipedResponse) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.writer.Write(p)
}

// serve runs the API. If the answer is cut short, reading its body returns why.
func (w *pipedResponse) serve(api http.Handler, r *http.Request) {
	defer close(w.done)
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // a panic's value, compared as net/http does
			w.WriteHeader(http.StatusInternalServerError)
			w.writer.CloseWithError(cmp.Or(w.broken, io.ErrUnexpectedEOF))
		} else if p != nil {
			panic(p)
		}
	}()
	api.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK) // the answer has no body
	w.writer.Close()
}

// response waits for the answer to begin. Closing its body waits until the
// handler lets go of the store. The handler's writes fail from then on.
func (w *pipedResponse) response(r *http.Request) *http.Response {
	<-w.begun
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     w.sent,
		Body:       pipedBody{w},
		Request:    r,
	}
}

type pipedBody struct{ w *pipedResponse }

func (b pipedBody) Read(p []byte) (int, error) { return b.w.reader.Read(p) }

func (b pipedBody) Close() error {
	err := b.w.reader.Close()
	<-b.w.done
	return err
}
