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
)

// lastingBackend has answers without an end, and notes which of them have ended.
type lastingBackend struct {
	*httptest.Server
	mu    sync.Mutex
	begun map[string]*moment // by the header Test
	ended map[string]*moment
	stop  chan struct{}
}

// moment is when something has happened.
type moment struct {
	happened chan struct{}
	at       time.Time
}

func newMoment() *moment { return &moment{happened: make(chan struct{})} }

func (m *moment) now() {
	m.at = time.Now()
	close(m.happened)
}

// wait waits for the moment.
func (m *moment) wait(t testing.TB, what string) {
	t.Helper()
	select {
	case <-m.happened:
	case <-time.After(patience):
		t.Fatalf("not true at all: %s", what)
	}
}

// by waits for the moment, which must come within the time, but for what the machine
// adds to it.
func (m *moment) by(t testing.TB, what string, last time.Time, added func() time.Duration) {
	t.Helper()
	m.wait(t, what)
	if late := m.at.Sub(last); late > added() {
		t.Errorf("%v too late, where the machine adds %v: %s", late, added(), what)
	}
}

func startLastingBackend(t testing.TB) *lastingBackend {
	t.Helper()
	b := &lastingBackend{begun: make(map[string]*moment), ended: make(map[string]*moment), stop: make(chan struct{})}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *lastingBackend) endOf(name string) *moment { return b.moment(b.ended, name) }

// begins waits until a request is here.
func (b *lastingBackend) begins(t testing.TB, name string) {
	t.Helper()
	b.beginOf(name).wait(t, "the backend has the request")
}

func (b *lastingBackend) beginOf(name string) *moment { return b.moment(b.begun, name) }

func (b *lastingBackend) moment(of map[string]*moment, name string) *moment {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of[name] == nil {
		of[name] = newMoment()
	}
	return of[name]
}

func (b *lastingBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("Test")
	if name == "" {
		return // of gateway.delays
	}
	b.beginOf(name).now()
	defer b.endOf(name).now()
	_, kind, _ := strings.Cut(r.URL.Path[1:], "/")
	switch kind {
	case "events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		b.wait(r)
	case "poll":
		b.wait(r)
	case "endless", "unread", "sized":
		if kind == "sized" {
			w.Header().Set("Content-Length", "1000000000000")
		}
		block := bytes.Repeat([]byte("x"), 64<<10)
		for _, err := w.Write(block); err == nil; _, err = w.Write(block) {
			if kind != "unread" { // many of them at full speed need all of the machine
				<-time.After(10 * time.Millisecond)
			}
		}
	case "upload":
		_, _ = io.Copy(io.Discard, r.Body)
	case "stalled": // takes no body
		b.wait(r)
	}
}

func (b *lastingBackend) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-b.stop:
	}
}
