//go:build soak

package plugin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// soakRefused marks requests that must not reach the backend.
const soakRefused = "Soak-Refused"

// How the soak's backend answers at /v1/slow and how much it may send at
// /v1/stream.
const (
	slowAnswer  = 300 * time.Millisecond
	streamLimit = 64 << 20
)

// soakBackend answers any path with the key's ID and the length of the body, and
// keeps count. It keeps no request, as a soak has hundreds of thousands.
type soakBackend struct {
	Addr string

	mu       sync.Mutex
	arrived  map[string]int64 // by the ID of the key
	breaches []string         // requests that should have been refused
}

func startSoakBackend(t testing.TB) *soakBackend {
	t.Helper()
	b := &soakBackend{arrived: make(map[string]int64)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.Addr = server.Listener.Addr().String()
	return b
}

func (b *soakBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.record(r)
	switch r.URL.Path {
	case "/v1/socket":
		b.echo(w)
		return
	case "/v1/stream":
		part := make([]byte, 32<<10)
		for range streamLimit / len(part) {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
		return
	case "/v1/slow":
		select {
		case <-time.After(slowAnswer):
		case <-r.Context().Done():
			return
		}
	}
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, "%s %d", r.Header.Get("SocialPatra-Key-Id"), n)
}

func (b *soakBackend) record(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived[r.Header.Get("SocialPatra-Key-Id")]++
	if why := r.Header.Get(soakRefused); why != "" && len(b.breaches) < 20 {
		b.breaches = append(b.breaches, fmt.Sprintf("%s %s, %s", r.Method, r.RequestURI, why))
	}
}

// arrivals returns how many requests with a key reached the backend.
func (b *soakBackend) arrivals(id string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.arrived[id]
}

// echo makes a WebSocket of the connection and sends back all it receives.
// What the bytes mean is between the two ends: nobody on the way looks at them.
func (b *soakBackend) echo(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, strings.ReplaceAll("HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n\n", "\n", "\r\n"))
	if err == nil {
		io.Copy(conn, rw)
	}
}
