//go:build fleet

package shared_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// sequence is requests for one key and its workspace, at times of its own.
type sequence struct {
	*rand.Rand
	caps ratelimit.Caps
	now  time.Time
}

// perMinutes has no multiple of 2,000: with those, that a token is due in half a
// nanosecond happens, and package ratelimit, which counts in floating point, may
// decide either way.
var perMinutes = []uint32{1, 7, 59, 60, 61, 600, 999, 6001, 99_991, 999_983}

func (s *sequence) limits() {
	s.caps.PerMinute = perMinutes[s.IntN(len(perMinutes))]
	s.caps.Burst = 1 + s.Uint32N(min(s.caps.PerMinute, 20))
	if s.IntN(3) == 0 {
		s.caps.Burst = s.caps.PerMinute
	}
	s.caps.PerDay = 1 + s.Uint32N(200)
	s.caps.Workspace, s.caps.WorkspaceLimits = "acme", apikey.WorkspaceLimits{}
	if s.IntN(2) == 0 {
		s.caps.WorkspaceLimits.PerMinute = perMinutes[s.IntN(len(perMinutes))]
	}
	if s.IntN(2) == 0 {
		s.caps.WorkspaceLimits.PerDay = 1 + s.Uint32N(200)
	}
}

func (s *sequence) cost() int {
	if s.IntN(4) == 0 {
		return 1 + s.IntN(30)
	}
	return 1
}

func (s *sequence) forward() {
	if s.IntN(2) == 0 {
		// To the microsecond before a token is due, where the bucket holds whole ones.
		tokens := int64(1 + s.IntN(10))
		s.now = s.now.Add(time.Duration(tokens*60_000_000/int64(s.caps.PerMinute)) * time.Microsecond)
		return
	}
	steps := []time.Duration{
		time.Microsecond, 10 * time.Microsecond, time.Millisecond, 300 * time.Millisecond, time.Second,
		time.Second, 5 * time.Second, time.Minute, 20 * time.Hour,
	}
	s.now = s.now.Add(s.upTo(steps[s.IntN(len(steps))]))
}

func (s *sequence) back() {
	steps := []time.Duration{time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Hour, 30 * time.Hour}
	s.now = s.now.Add(-s.upTo(steps[s.IntN(len(steps))]))
}

func (s *sequence) upTo(d time.Duration) time.Duration {
	return time.Duration(s.Int64N(int64(d) + 1)).Truncate(time.Microsecond)
}

// The script answers as package ratelimit does, whatever the limits change to
// and the clock is set to.
func TestParity(t *testing.T) {
	tests := []struct {
		name     string
		setBack  bool
		requests int
		take     func(l *shared.Limiter, s *sequence, cost int) (ratelimit.Result, error)
	}{
		{"the script", true, 200, func(l *shared.Limiter, s *sequence, cost int) (ratelimit.Result, error) {
			return l.Charge(keyA, s.caps, cost)
		}},
		{"with memory", false, 200, func(l *shared.Limiter, s *sequence, cost int) (ratelimit.Result, error) {
			return l.Take(keyA, s.caps, cost, s.now)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t, "--appendonly", "no")
			conn := dial(t, server.Addr)
			passed, all := 0, 0
			end := time.Now().Add(long(t, 500*time.Millisecond))
			for round := 0; round < 10 || time.Now().Before(end); round++ {
				seed := rand.Uint64()
				s := &sequence{Rand: rand.New(rand.NewPCG(seed, 0)), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
				one, fleet := ratelimit.New(), shared.New(conn, shared.Options{})
				fleet.SetClock("now")
				server.Do("FLUSHALL")
				s.limits()
				for i := range tt.requests {
					if s.IntN(20) == 0 {
						s.limits()
					}
					if tt.setBack && s.IntN(20) == 0 {
						s.back()
					} else if s.IntN(2) == 0 {
						s.forward()
					}
					setNow(t, conn, s.now)
					cost := s.cost()
					if i%3 == 0 {
						want := one.Peek(keyA, s.caps, cost, s.now)
						if got, err := fleet.Peek(keyA, s.caps, cost); err != nil || got != want {
							t.Fatalf("seed %d, request %d: Peek for %d of %+v at %s\n got %+v, %v\nwant %+v", seed, i, cost, s.caps, s.now, got, err, want)
						}
					}
					want := one.Take(keyA, s.caps, cost, s.now)
					if got, err := tt.take(fleet, s, cost); err != nil || got != want {
						t.Fatalf("seed %d, request %d: Take for %d of %+v at %s\n got %+v, %v\nwant %+v", seed, i, cost, s.caps, s.now, got, err, want)
					}
					all++
					if want.Allowed {
						passed++
					}
				}
			}
			if passed < all/10 || passed > all*9/10 {
				t.Errorf("%d of %d requests passed: the test finds little", passed, all)
			}
		})
	}
}

func setNow(t *testing.T, conn *redis.Conn, now time.Time) {
	t.Helper()
	if _, err := conn.Do(conn.B().Set().Key("now").Value(strconv.FormatInt(now.UnixMicro(), 10)).Build()); err != nil {
		t.Fatal(err)
	}
}
