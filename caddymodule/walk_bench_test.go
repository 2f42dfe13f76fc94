package caddymodule

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
)

// BenchmarkWalk is what one request of 10,000 keys in turn takes where the caches
// have been used for something else since the last one, as the proxy, the kernel
// and the other keys' requests do on the wire. Between two requests it walks
// through other memory. The figure ns/request is the median without the walk; ns/op
// is with it.
//
// What is walked between two requests is nothing, a part of what a core has for
// itself, so that what all requests use stays there, or all of it and more.
func BenchmarkWalk(b *testing.B) {
	h := provisioned(b, new(Handler))
	setClock(h, fastClock())
	h.app.WorkspaceLimits = workspaceCaps[1].limits
	credentials := storeKeys(b, h, manyKeys)
	limited, unlimited := newDecider(b, h, workspaceCaps[1].limits), newDecider(b, h, workspaceCaps[0].limits)
	limited.endless, unlimited.endless = true, true
	c := newCaller(h)
	for _, part := range []struct {
		name string
		one  func(credential []string) bool
	}{
		{"decide", func(credential []string) bool {
			limited.q.Authorization = credential
			return limited.policy.Decide(&limited.q).Reason == access.Allowed
		}},
		{"key_limits", func(credential []string) bool {
			unlimited.q.Authorization = credential
			return unlimited.decide() == access.Allowed
		}},
		{"all_limits", func(credential []string) bool {
			limited.q.Authorization = credential
			return limited.decide() == access.Allowed
		}},
		{"handler", func(credential []string) bool {
			status, err := c.send(credential)
			return status == http.StatusOK && err == nil
		}},
	} {
		for _, credential := range credentials { // the first use of a key makes its entry
			part.one(credential)
		}
		for _, kilobytes := range []int{0, 256, 4096} {
			b.Run(fmt.Sprintf("%s/%dkB", part.name, kilobytes), func(b *testing.B) {
				other, i := newWalk(kilobytes<<10), rand.IntN(len(credentials))
				took := make([]time.Duration, 0, b.N)
				for b.Loop() {
					other.walk()
					start := time.Now()
					if !part.one(credentials[i]) {
						b.Fatal("refused")
					}
					took = append(took, time.Since(start))
					if i++; i == len(credentials) {
						i = 0
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2]), "ns/request")
			})
		}
	}
}

// walk is memory that has nothing to do with requests.
type walk []uint64

func newWalk(bytes int) walk { return make(walk, bytes/8) }

// walk reads and writes a word of every line of the cache.
func (w walk) walk() {
	for i := 0; i < len(w); i += 8 {
		w[i]++
	}
}
