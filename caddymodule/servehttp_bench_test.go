package caddymodule

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkServeHTTPKeys is the whole handler when it allows, with all headers:
// for one key again and again, and for many in random order.
func BenchmarkServeHTTPKeys(b *testing.B) {
	h := provisioned(b, new(Handler))
	setClock(h, fastClock())
	credentials := storeKeys(b, h, manyKeys)
	for c, i := newCaller(h), 0; i < manyKeys; i++ { // the first use of a key makes its entry
		c.send(credentials[i])
	}
	for _, tt := range []struct {
		name        string
		credentials [][]string
	}{{"hot_key", credentials[:1]}, {"uniform", credentials}} {
		b.Run(tt.name+"/serial", func(b *testing.B) {
			c, i := newCaller(h), 0
			b.ReportAllocs()
			for b.Loop() {
				if status, err := c.send(tt.credentials[i]); status != http.StatusOK || err != nil {
					b.Fatalf("answered %d, %v", status, err)
				}
				if i++; i == len(tt.credentials) {
					i = 0
				}
			}
		})
		b.Run(tt.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c, i := newCaller(h), rand.IntN(len(tt.credentials))
				for pb.Next() {
					if status, err := c.send(tt.credentials[i]); status != http.StatusOK || err != nil {
						b.Errorf("answered %d, %v", status, err)
						return
					}
					if i++; i == len(tt.credentials) {
						i = 0
					}
				}
			})
		})
	}
}

// ending is what a request comes to, each time it is sent.
type ending struct {
	name   string
	status int
	clock  func() func() time.Time
	token  func(testing.TB, *Handler) string
}

// endings are a request that is allowed, and others with one thing wrong.
var endings = []ending{
	{"allowed", http.StatusOK, fastClock, func(t testing.TB, h *Handler) string {
		return storeLimited(t, h, plenty, "posts:read")
	}},
	{"bad_checksum", http.StatusUnauthorized, fastClock, func(testing.TB, *Handler) string { return badChecksum() }},
	{"unknown_id", http.StatusUnauthorized, fastClock, func(testing.TB, *Handler) string {
		token, _, _ := apikey.Generate(apikey.DefaultBrand)
		return token
	}},
	{"insufficient_scope", http.StatusForbidden, fastClock, func(t testing.TB, h *Handler) string {
		return storeLimited(t, h, plenty, "media:upload")
	}},
	{"rate_limited", http.StatusTooManyRequests, stoppedClock, func(t testing.TB, h *Handler) string {
		return storeLimited(t, h, apikey.Limits{PerMinute: 1, PerDay: 1, Burst: 1}, "posts:read")
	}},
}

// stoppedClock keeps a limit that is reached as it is.
func stoppedClock() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

func storeLimited(t testing.TB, h *Handler, limits apikey.Limits, scope string) (token string) {
	t.Helper()
	_, token = storeKey(t, h, func(k *apikey.Key) { k.Limits, k.Scopes = limits, []string{scope} })
	return token
}

// start returns a handler and a credential that have reached the outcome.
func (e *ending) start(t testing.TB) (h *Handler, credential []string) {
	t.Helper()
	h = provisioned(t, &Handler{AuthFailures: 1_000_000})
	setClock(h, e.clock())
	credential = bearer(e.token(t, h))
	c := newCaller(h)
	if _, err := c.send(credential); err != nil { // what is rate limited passes once
		t.Fatal(err)
	}
	if status, err := c.send(credential); status != e.status || err != nil {
		t.Fatalf("%s: answered %d, %v; want %d", e.name, status, err, e.status)
	}
	return h, credential
}

// BenchmarkServeHTTPOutcome is the whole handler by its answer. Those of floods
// should cost less than those of good requests.
func BenchmarkServeHTTPOutcome(b *testing.B) {
	for _, e := range endings {
		b.Run(e.name, func(b *testing.B) {
			h, credential := e.start(b)
			b.Run("serial", func(b *testing.B) {
				c := newCaller(h)
				b.ReportAllocs()
				for b.Loop() {
					if status, err := c.send(credential); status != e.status || err != nil {
						b.Fatalf("answered %d, %v", status, err)
					}
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					c := newCaller(h)
					for pb.Next() {
						if status, err := c.send(credential); status != e.status || err != nil {
							b.Errorf("answered %d, %v", status, err)
							return
						}
					}
				})
			})
		})
	}
}
