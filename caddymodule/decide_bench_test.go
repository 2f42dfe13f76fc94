package caddymodule

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// workspaceCaps are the limits that all keys of a workspace share.
var workspaceCaps = []struct {
	name   string
	limits apikey.WorkspaceLimits
}{
	{"with_limits", apikey.WorkspaceLimits{}},
	{"with_workspace_limits", apikey.WorkspaceLimits{PerMinute: apikey.MaxWorkspaceLimit, PerDay: apikey.MaxWorkspaceLimit}},
}

// decider decides requests as ServeHTTP does, without HTTP. Its clock stands
// still. Goroutines need one each.
type decider struct {
	engine   *openStore
	policy   access.Policy
	together apikey.WorkspaceLimits
	q        access.Request
	endless  bool // keys have limits that they do not use up
	blind    bool // what a request shows of the use of its key is not counted
}

func newDecider(t testing.TB, h *Handler, together apikey.WorkspaceLimits) *decider {
	t.Helper()
	engine, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	d := &decider{engine: engine, policy: h.policy, together: together}
	d.policy.Keys = engine.store
	d.q = access.Request{Method: http.MethodGet, Path: "/v1/posts", Client: netip.MustParseAddr("203.0.113.7"), Now: h.app.now()}
	return d
}

// decide takes from the limits of a key that may, and counts one that may not.
func (d *decider) decide() access.Reason {
	decision := d.policy.Decide(&d.q)
	if !decision.Authenticated {
		return decision.Reason
	}
	caps := adminapi.CapsOf(d.engine.store, &decision.Grant, d.together)
	if d.endless {
		caps.PerMinute, caps.Burst, caps.PerDay = 4e9, 4e9, 4e9
	}
	if decision.Reason != access.Allowed {
		d.engine.limits.Deny(decision.ID, caps, d.q.Now)
		return decision.Reason
	}
	var seen apikey.Sighting
	if !d.blind {
		seen = decision.Sighting(d.q.Client)
	}
	result, err := d.engine.limits.Take(decision.ID, caps, decision.Route.Cost, d.q.Now, seen)
	if err != nil {
		return access.StoreUnavailable
	}
	return adminapi.LimitReason(&result)
}

// BenchmarkDecideKeys is the decision when it allows: for one key again and
// again, and for many in random order.
func BenchmarkDecideKeys(b *testing.B) {
	h := provisioned(b, new(Handler))
	credentials := storeKeys(b, h, manyKeys)
	for _, together := range workspaceCaps { // the first use of a key makes its entry
		d := newDecider(b, h, together.limits)
		for _, d.q.Authorization = range credentials {
			d.decide()
		}
	}
	type way struct {
		name     string
		decide   func(*decider) access.Reason
		together apikey.WorkspaceLimits
	}
	ways := []way{{"without_limits", func(d *decider) access.Reason { return d.policy.Decide(&d.q).Reason }, apikey.WorkspaceLimits{}}}
	for _, together := range workspaceCaps {
		ways = append(ways, way{together.name, (*decider).decide, together.limits})
	}
	for _, w := range ways {
		for _, tt := range []struct {
			name        string
			credentials [][]string
		}{{"hot_key", credentials[:1]}, {"uniform", credentials}} {
			b.Run(w.name+"/"+tt.name+"/serial", func(b *testing.B) {
				d, i := newDecider(b, h, w.together), 0
				d.endless = true
				b.ReportAllocs()
				for b.Loop() {
					d.q.Authorization = tt.credentials[i]
					if got := w.decide(d); got != access.Allowed {
						b.Fatalf("decided %s", got)
					}
					if i++; i == len(tt.credentials) {
						i = 0
					}
				}
			})
			b.Run(w.name+"/"+tt.name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					d, i := newDecider(b, h, w.together), rand.IntN(len(tt.credentials))
					d.endless = true
					for pb.Next() {
						d.q.Authorization = tt.credentials[i]
						if got := w.decide(d); got != access.Allowed {
							b.Errorf("decided %s", got)
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
}

// BenchmarkDecideOutcome is the decision, with limits, by what it comes to.
func BenchmarkDecideOutcome(b *testing.B) {
	for _, e := range endings {
		b.Run(e.name, func(b *testing.B) {
			h, credential := e.start(b)
			d := newDecider(b, h, apikey.WorkspaceLimits{})
			d.q.Authorization = credential
			d.endless = e.status != http.StatusTooManyRequests
			want := d.decide()
			b.ReportAllocs()
			for b.Loop() {
				if got := d.decide(); got != want {
					b.Fatalf("decided %s, then %s", want, got)
				}
			}
		})
	}
}

// BenchmarkDecideSeen is what a decision takes more because of what is seen of the
// use of its key. With and without take turns in slices of half a millisecond, so
// that both have the same machine; the figure is the median of their quotients.
func BenchmarkDecideSeen(b *testing.B) {
	h := provisioned(b, new(Handler))
	credentials := storeKeys(b, h, manyKeys)
	for _, tt := range []struct {
		name        string
		credentials [][]string
	}{{"hot_key", credentials[:1]}, {"uniform", credentials}} {
		b.Run(tt.name, func(b *testing.B) {
			d, i := newDecider(b, h, apikey.WorkspaceLimits{}), 0
			d.endless = true
			slice := func(blind bool) float64 {
				d.blind = blind
				start := time.Now()
				for range 1000 {
					d.q.Authorization = tt.credentials[i]
					if got := d.decide(); got != access.Allowed {
						b.Fatalf("decided %s", got)
					}
					if i++; i == len(tt.credentials) {
						i = 0
					}
				}
				return float64(time.Since(start))
			}
			for range len(tt.credentials)/1000 + 1 { // makes the entries
				slice(false)
			}
			var quotients []float64
			for b.Loop() {
				without, with := slice(true), slice(false)
				quotients = append(quotients, with/without, slice(false)/slice(true))
			}
			slices.Sort(quotients)
			b.ReportMetric(quotients[len(quotients)/2], "of-without")
		})
	}
}
