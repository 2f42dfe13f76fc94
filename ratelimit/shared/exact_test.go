//go:build fleet

package shared_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

func fleet(t testing.TB, server *redistest.Server, o shared.Options) []*shared.Limiter {
	t.Helper()
	var all []*shared.Limiter
	for range 3 {
		all = append(all, start(t, server.Addr, o))
	}
	return all
}

// offer has every Limiter asked each times at once, by eight callers, and
// returns how many requests passed. Half-way it calls disturb.
func offer(t *testing.T, fleet []*shared.Limiter, each, cost int, caps ratelimit.Caps, key func(i int) apikey.ID, disturb func()) int {
	t.Helper()
	const callers = 8
	var passed, asked atomic.Int64
	var wg sync.WaitGroup
	for _, l := range fleet {
		for c := range callers {
			wg.Go(func() {
				for i := c; i < each; i += callers {
					if asked.Add(1) == int64(len(fleet)*each/2) {
						disturb()
					}
					r, err := l.Take(key(i), caps, cost, time.Now())
					if err != nil {
						t.Error(err)
						return
					}
					if r.Allowed {
						passed.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	return int(passed.Load())
}

func one(int) apikey.ID { return keyA }

func many(i int) apikey.ID { return apikey.ID([]byte(fmt.Sprintf("%012d", i%10))) }

// Three gateways that are offered three times what a key allows pass what one
// would.
func TestFleetPassesWhatOneGatewayWould(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t, "--appendfsync", "everysec")
	workspace := func(perMinute, perDay uint32) ratelimit.Caps {
		c := limits(1_000_000, 1_000_000, 1_000_000)
		c.WorkspaceLimits = apikey.WorkspaceLimits{PerMinute: perMinute, PerDay: perDay}
		return c
	}
	nothing := func() {}
	tests := []struct {
		name    string
		caps    ratelimit.Caps
		each    int // requests at a gateway
		cost    int
		key     func(int) apikey.ID
		disturb func()
		burst   int     // passes at once
		rate    float64 // and per second
	}{
		{"day", limits(1_000_000, 1_000_000, 600), 600, 1, one, nothing, 600, 0},
		{"day, in sevens", limits(1_000_000, 1_000_000, 600), 85, 7, one, nothing, 85, 0},
		{"minute", limits(600, 300, 1_000_000), 300, 1, one, nothing, 300, 10},
		{"workspace, day", workspace(0, 600), 600, 1, many, nothing, 600, 0},
		{"workspace, minute", workspace(600, 0), 600, 1, many, nothing, 600, 10},
		{"ten keys on one account, day", onAccount(limits(1_000_000, 1_000_000, 600)), 600, 1, many, nothing, 600, 0},
		{"ten keys on one account, minute", onAccount(limits(600, 300, 1_000_000)), 300, 1, many, nothing, 300, 10},
		{"the script is flushed", limits(1_000_000, 1_000_000, 600), 600, 1, one, func() { server.Do("SCRIPT", "FLUSH") }, 600, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			gateways := fleet(t, server, shared.Options{})
			begin := time.Now()
			got := offer(t, gateways, tt.each, tt.cost, tt.caps, tt.key, tt.disturb)
			if most := tt.burst + int(tt.rate*time.Since(begin).Seconds()); got < tt.burst || got > most {
				t.Errorf("%d of %d passed, want %d to %d", got, 3*tt.each, tt.burst, most)
			}
		})
	}
}

// With leases what passes is bounded, too, also while keys are forgotten.
func TestLeasedFleetInParallel(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t, "--appendfsync", "everysec")
	gateways := fleet(t, server, shared.Options{Mode: shared.Leased, Batch: 50})
	caps := limits(600_000, 2000, 100_000)
	begin := time.Now()
	got := offer(t, gateways, 4_000, 1, caps, one, func() { gateways[0].Forget(keyA) })
	most := 2000 + int(10_000*time.Since(begin).Seconds()) + 3*49
	if got < 2000 || got > most {
		t.Errorf("%d passed, want 2,000 to %d", got, most)
	}
	used, err := strconv.Atoi(server.Do("HGET", "keygate:l:{acme}:"+keyA.String(), "used"))
	if err != nil || used < got {
		t.Errorf("the engine counts %d (%v) where %d passed", used, err, got)
	}
}

// What is kept is gone an hour after the day.
func TestHashesExpire(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	l := start(t, server.Addr, shared.Options{})
	caps := limits(60, 60, 100)
	caps.WorkspaceLimits.PerDay = 1000
	if _, err := l.Peek(keyA, caps, 1); err != nil {
		t.Fatal(err)
	}
	if got := server.Do("DBSIZE"); got != "0" {
		t.Errorf("%s keys after Peek, want 0", got)
	}
	take(t, l, caps, 1)
	now := engineNow(server)
	want := (apikey.DayOf(now) + 1).Start().Sub(now) + time.Hour
	for _, key := range []string{"keygate:l:{acme}:" + keyA.String(), "keygate:lw:{acme}"} {
		ms, err := strconv.Atoi(server.Do("PTTL", key))
		if got := time.Duration(ms) * time.Millisecond; err != nil || got > want+2*time.Second || got < want-2*time.Second {
			t.Errorf("%s expires in %s (%v), want %s", key, got, err, want)
		}
	}
}
