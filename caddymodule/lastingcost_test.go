//go:build !race

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// Ten thousand open streams, of a thousand keys, take less than 40 MB more than
// without Keygate, stacks included; how long a look at all of them takes, which is made
// once a second, is said. The race detector needs memory of its own. As in Caddy, the handler that waits
// needs more of a stack than all before it.
func TestManyOpenStreams(t *testing.T) {
	const streams, mostBytes = 10_000, 40 << 20
	h := provisioned(t, new(Handler))
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]string, streams/10)
	for i := range tokens {
		_, tokens[i] = storeKey(t, h, func(k *apikey.Key) { k.Limits = plenty })
	}
	hold := func(serve func(http.ResponseWriter, *http.Request, caddyhttp.Handler) error) (bytes int64, look time.Duration) {
		requests, writers := make([]*http.Request, streams), make([]*httptest.ResponseRecorder, streams)
		for i := range requests {
			requests[i] = httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(tokens[i%len(tokens)])})
			writers[i] = httptest.NewRecorder()
		}
		before := inUse()
		release := make(chan struct{})
		var open, served sync.WaitGroup
		open.Add(streams)
		wait := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			_ = http.NewResponseController(w).Flush()
			proxy(func() {
				open.Done()
				<-release
			})
			return nil
		})
		for i := range requests {
			served.Go(func() { _ = serve(writers[i], requests[i], wait) })
		}
		open.Wait()
		bytes = inUse() - before
		look = time.Hour
		for range 20 {
			start := time.Now()
			e.open.Look(e.store, start)
			look = min(look, time.Since(start))
		}
		close(release)
		served.Wait()
		runtime.KeepAlive(requests)
		return bytes, look
	}
	without, none := hold(func(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
		return next.ServeHTTP(w, r)
	})
	with, look := hold(h.ServeHTTP)
	t.Logf("%d streams take %.1f MB more than %.1f; a look takes %v, at nothing %v", streams, float64(with-without)/(1<<20), float64(without)/(1<<20), look, none)
	if with-without > mostBytes {
		t.Errorf("too much: %d bytes", with-without)
	}
}

// proxy takes of the stack about what a reverse_proxy does.
//
//go:noinline
func proxy(wait func()) {
	var frame [12 << 10]byte
	wait()
	runtime.KeepAlive(&frame)
}

// inUse returns the bytes of heap and stacks that are in use.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
