package plugin_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

// backend is go-httpbin, with a record of the requests that reached it. It
// answers all of httpbin's paths (/status/500, /websocket/echo, /delay/1, …),
// and those under /v1/ as httpbin's /anything does: 200, with an echo.
type backend struct {
	Addr string // "127.0.0.1:34567"

	mu   sync.Mutex
	seen []received
}

// received is one request as it arrived.
type received struct {
	Method  string
	URI     string // the bytes of the request line
	Host    string
	Header  http.Header
	Trailer http.Header
	Body    []byte
}

func startBackend(t testing.TB) *backend {
	t.Helper()
	b := new(backend)
	bin := httpbin.New(httpbin.WithMaxDuration(time.Hour)) // or it ends a WebSocket after ten seconds, whether its key has ended or not
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.record(r)
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			r.URL.Path, r.URL.RawPath = "/anything", ""
		}
		bin.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.Addr = server.Listener.Addr().String()
	return b
}

// record notes a request with its whole body, as only then its trailers are
// there, and leaves it for httpbin to read again.
func (b *backend) record(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, received{r.Method, r.RequestURI, r.Host, r.Header.Clone(), r.Trailer.Clone(), body})
}

// take returns the requests since the last call, in the order of arrival.
func (b *backend) take() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// takeOne is take where exactly one request must have arrived.
func (b *backend) takeOne(t testing.TB) received {
	t.Helper()
	seen := b.take()
	if len(seen) != 1 {
		t.Fatalf("%d requests reached the backend, want 1: %v", len(seen), seen)
	}
	return seen[0]
}
