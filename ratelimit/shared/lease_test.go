//go:build fleet

package shared_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// lend uses a key at a time and ten seconds later so much that the Limiter has a
// whole batch, which is good for ten seconds.
func lend(t *testing.T, l *shared.Limiter, id apikey.ID, caps ratelimit.Caps, now time.Time) {
	t.Helper()
	for _, at := range []time.Time{now, now.Add(10 * time.Second)} {
		for range 3 {
			if _, err := l.Take(id, caps, 1000, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r, err := l.Take(id, caps, 1, now.Add(10*time.Second)); err != nil || !r.Allowed {
		t.Fatalf("got %+v, %v, want allowed", r, err)
	}
}

// meter measures by how much more passed in any time than one bucket allows.
type meter struct {
	burst, perSecond float64
	tokens, over     float64
	last             time.Time
}

func newMeter(caps ratelimit.Caps, now time.Time) *meter {
	return &meter{burst: float64(caps.Burst), perSecond: float64(caps.PerMinute) / 60, tokens: float64(caps.Burst), last: now}
}

func (m *meter) pass(cost int, now time.Time) {
	m.tokens = min(m.burst, m.tokens+now.Sub(m.last).Seconds()*m.perSecond) - float64(cost)
	m.last = now
	m.over = max(m.over, -m.tokens)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Three gateways do their worst: each takes a batch and keeps it until the
// bucket is full again, and then all is used at once.
func TestLeaseBound(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "no")
	tests := []struct {
		name      string
		caps      ratelimit.Caps
		batch     int
		lease     time.Duration
		bound     float64 // min(M(N-1), R*L)
		effective float64 // the adversary exceeds one bucket by so much
	}{
		{"batches bind", limits(6_000, 60, 1e9), 10, time.Second, 27, 20},
		{"time binds", limits(6_000, 60, 1e9), 100, 100 * time.Millisecond, 10, 3},
		{"a slow key", limits(60, 60, 1e9), 100, 100 * time.Millisecond, 0.1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			conn := dial(t, server.Addr)
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 0))
			var gateways []*shared.Limiter
			for range 3 {
				l := shared.New(conn, shared.Options{Mode: shared.Leased, Batch: tt.batch, Lease: tt.lease})
				l.SetClock("now")
				gateways = append(gateways, l)
			}
			now := time.Now().Truncate(time.Second)
			m := newMeter(tt.caps, now)
			ask := func(l *shared.Limiter) bool {
				setNow(t, conn, now)
				r, err := l.Take(keyA, tt.caps, 1, now)
				if err != nil {
					t.Fatal(err)
				}
				if r.Allowed {
					m.pass(1, now)
				}
				return r.Allowed
			}
			perLease := int(min(int64(tt.batch), max(1, int64(tt.caps.PerMinute)*int64(tt.lease)/int64(time.Minute))))
			end := time.Now().Add(long(t, 200*time.Millisecond))
			for round := 0; round < 10 || time.Now().Before(end); round++ {
				// Each has used so much that it gets a batch next, and the bucket may
				// be full again by then.
				begin, used := now, 0
				for _, l := range gateways {
					for range 1 + rng.IntN(4*perLease) {
						ask(l)
						used++
					}
				}
				if round%2 == 0 {
					now = begin.Add(time.Duration(float64(used) / m.perSecond * float64(time.Second)))
				}
				now = later(now, begin.Add(tt.lease)).Add(time.Duration(rng.IntN(1000)) * time.Microsecond)
				for _, l := range gateways {
					ask(l)
				}
				now = now.Add(tt.lease - time.Duration(1+rng.IntN(1000))*time.Microsecond)
				for _, l := range gateways {
					for ask(l) {
					}
				}
				now = now.Add(time.Minute) // full again
			}
			if m.over > tt.bound+1e-6 {
				t.Errorf("seed %d: %.2f more passed than one bucket allows, want at most %.1f", seed, m.over, tt.bound)
			}
			if m.over < tt.effective {
				t.Errorf("seed %d: only %.2f more passed than one bucket allows: the test does not do its worst", seed, m.over)
			}
		})
	}
}

// What a batch is depends on what the key is used for.
func TestLeaseFollowsTraffic(t *testing.T) {
	tests := []struct {
		name    string
		caps    ratelimit.Caps
		gap     time.Duration // between requests
		n       int
		atMost  int // trips
		atLeast int
	}{
		{"fast", limits(600_000, 600_000, 1e9), 100 * time.Microsecond, 10_000, 10_000 * 3 / 100, 100},
		{"slow", limits(600_000, 600_000, 1e9), 150 * time.Millisecond, 200, 200, 200},
		{"little refills", limits(60, 60, 1e9), time.Second, 50, 50, 50},
		{"half of it refills in a lease", limits(6_000, 6_000, 1e9), 5 * time.Millisecond, 2_000, 2_000 / 4, 100},
	}
	server := redistest.Start(t, "--appendonly", "no")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			conn := dial(t, server.Addr)
			l := shared.New(conn, shared.Options{Mode: shared.Leased})
			l.SetClock("now")
			now := time.Now().Truncate(time.Hour)
			before := trips(server)
			for range tt.n {
				setNow(t, conn, now)
				if r, err := l.Take(keyA, tt.caps, 1, now); err != nil || !r.Allowed {
					t.Fatalf("got %+v, %v, want allowed", r, err)
				}
				now = now.Add(tt.gap)
			}
			if got := trips(server) - before; got > tt.atMost || got < tt.atLeast {
				t.Errorf("%d trips for %d requests, want %d to %d", got, tt.n, tt.atLeast, tt.atMost)
			}
		})
	}
}

// Units that are not used are short for as long as a lease at most, and the
// last ones of a day are not all taken by one gateway.
func TestLeaseStarvesNobody(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "no")
	conn := dial(t, server.Addr)
	a, b := shared.New(conn, shared.Options{Mode: shared.Leased}), shared.New(conn, shared.Options{Mode: shared.Leased})
	a.SetClock("now")
	b.SetClock("now")
	now := time.Now().Truncate(24 * time.Hour).Add(12 * time.Hour)
	caps := limits(60_000, 60_000, 200)
	ask := func(l *shared.Limiter) ratelimit.Result {
		setNow(t, conn, now)
		r, err := l.Take(keyA, caps, 1, now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for range 120 {
		ask(a)
	}
	now = now.Add(100 * time.Millisecond)
	setNow(t, conn, now)
	less, err := b.Peek(keyA, caps, 1)
	if err != nil || less.Day.Remaining > 79 {
		t.Fatalf("got %+v, %v, want at most 79 left", less, err)
	}
	// In a lease a has used more than that. It gets half, and knows of the rest.
	if r := ask(a); r != less {
		t.Errorf("with a batch got %+v, want %+v", r, less)
	}
	passed := 0
	for ask(b).Allowed {
		passed++
	}
	if least := int(less.Day.Remaining / 2); passed < least || passed > least+1 {
		t.Errorf("of %d the other gateway passes %d, want half", less.Day.Remaining, passed)
	}
	now = now.Add(100 * time.Millisecond)
	if ask(a).Allowed {
		t.Error("what was not used when the lease ended could be used")
	}
}
