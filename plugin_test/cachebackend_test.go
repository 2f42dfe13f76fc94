//go:build caches

package plugin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cachedBackend answers with what the query says about caching, and tells in
// X-To, a cookie and the body whom it took a request to be from.
type cachedBackend struct {
	Addr string

	mu      sync.Mutex
	holding map[string]*hold
}

// hold keeps the backend from answering requests that name it in X-Hold.
type hold struct {
	arrived chan struct{} // gets one element for each request
	release chan struct{}
}

const (
	nobody       = "nobody"
	lastModified = "Mon, 02 Nov 2026 10:00:00 GMT"
)

func startCachedBackend(t testing.TB) *cachedBackend {
	t.Helper()
	b := &cachedBackend{holding: make(map[string]*hold)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.Addr = server.Listener.Addr().String()
	return b
}

// hold makes requests wait that have the header "X-Hold: NAME".
func (b *cachedBackend) hold(name string) *hold {
	h := &hold{make(chan struct{}, 16), make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holding[name] = h
	return h
}

func (b *cachedBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name := r.Header.Get("X-Hold"); name != "" {
		b.mu.Lock()
		h := b.holding[name]
		b.mu.Unlock()
		h.arrived <- struct{}{}
		<-h.release
	}
	to := r.Header.Get("SocialPatra-Key-Id")
	if to == "" {
		to = nobody
	}
	h, q := w.Header(), r.URL.Query()
	h.Set("X-To", to)
	h.Set("Content-Type", "text/plain")
	for query, name := range map[string]string{"cc": "Cache-Control", "vary": "Vary", "expires": "Expires", "pragma": "Pragma"} {
		for _, value := range q[query] {
			h.Add(name, value)
		}
	}
	if q.Has("cookie") {
		h.Set("Set-Cookie", "to="+to)
	}
	switch q.Get("validator") {
	case "own":
		h.Set("ETag", `"`+to+`"`)
	case "shared":
		h.Set("ETag", `"shared"`)
	}
	if status, err := strconv.Atoi(q.Get("status")); err == nil {
		if status/100 == 3 {
			h.Set("Location", "/v1/posts/of-"+to)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "to %s", to)
		return
	}
	var modified time.Time
	if q.Get("validator") == "modified" {
		modified, _ = http.ParseTime(lastModified)
	}
	http.ServeContent(w, r, "", modified, strings.NewReader("to "+to))
}
