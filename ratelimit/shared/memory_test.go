//go:build fleet

package shared_test

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

func TestMemoryOfDenials(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	const refill = 30 // seconds that a token takes, so that none comes back while the machine is slow
	exhausted := limits(60/refill, 3, 1_000)
	tests := []struct {
		name    string
		then    func(l *shared.Limiter) ratelimit.Result
		allowed bool
		trips   int
	}{
		{"the same", func(l *shared.Limiter) ratelimit.Result { return take(t, l, exhausted, 3) }, false, 0},
		{"cheaper", func(l *shared.Limiter) ratelimit.Result { return take(t, l, exhausted, 1) }, true, 1},
		{"dearer", func(l *shared.Limiter) ratelimit.Result { return take(t, l, exhausted, 1000) }, false, 0},
		{"other limits", func(l *shared.Limiter) ratelimit.Result { return take(t, l, limits(60/refill, 2, 1_000), 2) }, true, 1},
		{"other limits that refuse", func(l *shared.Limiter) ratelimit.Result { return take(t, l, limits(60/refill, 4, 1_000), 3) }, false, 1},
		{"forgotten", func(l *shared.Limiter) ratelimit.Result { l.Forget(keyA); return take(t, l, exhausted, 3) }, false, 1},
		{"after RetryAfter", func(l *shared.Limiter) ratelimit.Result {
			// A clock that runs ahead of the engine's asks too early, and learns that.
			r, err := l.Take(keyA, exhausted, 3, time.Now().Add(refill*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}, false, 1},
		{"the workspace is limited now", func(l *shared.Limiter) ratelimit.Result {
			c := exhausted
			c.WorkspaceLimits.PerDay = 10
			return take(t, l, c, 2)
		}, true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			l := start(t, server.Addr, shared.Options{})
			// Of three tokens one is used; three more are too many until one has come back.
			take(t, l, exhausted, 1)
			if r := take(t, l, exhausted, 3); r.Allowed || r.RetryAfter < 1 || r.RetryAfter > refill {
				t.Fatalf("got %+v, want a refusal for %d seconds at most", r, refill)
			}
			before := trips(server)
			r := tt.then(l)
			if r.Allowed != tt.allowed {
				t.Errorf("got %+v, want allowed %t", r, tt.allowed)
			}
			if got := trips(server) - before; got != tt.trips {
				t.Errorf("%d trips, want %d", got, tt.trips)
			}
		})
	}
}

// A flood on what is exhausted costs the engine nothing, and is counted.
func TestFloodOnAnExhaustedKey(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	var saved []apikey.Usage
	together := limits(1_000_000, 1_000_000, 1_000_000)
	together.WorkspaceLimits.PerDay = 5
	tests := []struct {
		name  string
		caps  ratelimit.Caps
		key   func(int) apikey.ID
		trips int // at most, besides one for each that passes
	}{
		{"day", limits(60, 60, 5), one, 0},
		{"workspace, over many keys", together, many, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			saved = nil
			l := shared.New(dial(t, server.Addr), withSave(shared.Options{}, &saved))
			before, passed := trips(server), 0
			const requests = 20_000
			for i := range requests {
				r, err := l.Take(tt.key(i), tt.caps, 1, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if r.Allowed {
					passed++
				} else if r.RetryAfter < 30 {
					t.Fatalf("refused with %+v, want until midnight", r)
				}
			}
			if got := trips(server) - before; passed != 5 || got > 5+tt.trips {
				t.Errorf("%d passed in %d trips, want 5 in at most %d", passed, got, 5+tt.trips)
			}
			l.Save()
			var allowed, limited uint64
			for _, u := range saved {
				allowed, limited = allowed+u.Allowed, limited+u.Limited
			}
			if allowed != 5 || limited != requests-5 {
				t.Errorf("counted %d allowed and %d limited, want 5 and %d", allowed, limited, requests-5)
			}
		})
	}
}

// An engine that has lost its counts is believed after a minute.
func TestMemoryIsShort(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	l := start(t, server.Addr, shared.Options{})
	caps := limits(60, 60, 1)
	take(t, l, caps, 1)
	take(t, l, caps, 1)
	server.Do("FLUSHALL")
	if r := take(t, l, caps, 1); r.Allowed {
		t.Fatalf("the denial was not remembered")
	}
	r, err := l.Take(keyA, caps, 1, time.Now().Add(61*time.Second))
	if err != nil || !r.Allowed {
		t.Errorf("got %+v, %v after a minute, want allowed", r, err)
	}
	l.Sweep(time.Now().Add(3 * time.Minute))
	if keys, workspaces := l.Remembered(); keys+workspaces != 0 {
		t.Errorf("%d keys and %d workspaces are remembered after a sweep, want none", keys, workspaces)
	}
}

func TestNoAllocation(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	exhausted, plenty := limits(60, 60, 1), limits(1_000_000, 1_000_000, 1_000_000)
	exhausted.WorkspaceLimits.PerDay = 1000
	l := shared.New(dial(t, server.Addr), shared.Options{Mode: shared.Leased, Batch: 1000, Lease: 10 * time.Second})
	take(t, l, exhausted, 1)
	lend(t, l, keyB, plenty, time.Now())
	now := time.Now().Add(10 * time.Second)
	for name, call := range map[string]func(){
		"a refusal":       func() { l.Take(keyA, exhausted, 1, now) },
		"out of a lease":  func() { l.Take(keyB, plenty, 1, now) },
		"Deny":            func() { l.Deny(keyA, exhausted, now) },
		"Deny, not known": func() { l.Deny(apikey.ID{1}, exhausted, now) },
	} {
		before := trips(server)
		if got := testing.AllocsPerRun(100, call); got != 0 {
			t.Errorf("%s allocates %v times, want 0", name, got)
		}
		if got := trips(server) - before; got != 0 {
			t.Errorf("%s took %d trips, want 0", name, got)
		}
	}
}
