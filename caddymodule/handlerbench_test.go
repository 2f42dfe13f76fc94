package caddymodule

import (
	"net/http"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkServeHTTPDenied is a token with a typing error, of which a flood
// should cost less than good requests do. BenchmarkServeHTTP is one of those.
func BenchmarkServeHTTPDenied(b *testing.B) {
	h := provisioned(b, &Handler{AuthFailures: 1_000_000})
	token, _, _ := apikey.Generate(apikey.DefaultBrand)
	last := byte('0')
	if token[len(token)-1] == last {
		last = '1'
	}
	credential := bearer(token[:len(token)-1] + string(last))
	header := http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/8"}, "Authorization": credential}
	r := httpRequest("GET", "/v1/posts", header)
	now := time.Now()
	defer func() { timeNow = time.Now }()
	timeNow = func() time.Time { now = now.Add(time.Millisecond); return now }
	next := new(backendFunc)
	w := &statusOnly{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		if err := h.ServeHTTP(w, r, next); err != nil || w.status != http.StatusUnauthorized {
			b.Fatalf("answered %d, %v", w.status, err)
		}
	}
}

// statusOnly keeps no body, which would grow with every answer.
type statusOnly struct {
	header http.Header
	status int
}

func (w *statusOnly) Header() http.Header         { return w.header }
func (w *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w *statusOnly) WriteHeader(status int)      { w.status = status }
