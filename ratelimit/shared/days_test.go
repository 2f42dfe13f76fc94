//go:build fleet

package shared_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// grace is how long the engine keeps a count after its day, and by how much a
// clock may be set back and still find it.
const grace = time.Hour

// step goes on by anything from nothing to days, with a liking for midnight and
// for when hashes expire, or sets the clock back by at most grace.
func (s *sequence) step(high time.Time) {
	midnight := (apikey.DayOf(s.now) + 1).Start()
	steps := []time.Duration{
		0, time.Microsecond, time.Second, time.Minute, time.Hour, 20 * time.Hour, 24 * time.Hour, 100 * time.Hour,
		midnight.Sub(s.now) - time.Microsecond, midnight.Sub(s.now), midnight.Sub(s.now) + time.Microsecond,
		midnight.Sub(s.now) + grace - time.Microsecond, midnight.Sub(s.now) + grace, midnight.Sub(s.now) + 2*grace,
		(midnight.Sub(s.now) + grace) % (24 * time.Hour), (midnight.Sub(s.now)+grace)%(24*time.Hour) - time.Microsecond,
	}
	switch s.IntN(8) {
	case 0:
		most := grace - high.Sub(s.now)
		steps := []time.Duration{s.upTo(most), most, time.Minute, time.Minute + time.Microsecond, time.Minute - time.Microsecond}
		s.now = s.now.Add(-min(most, steps[s.IntN(len(steps))]))
	case 1, 2, 3:
		s.forward()
	case 4, 5:
		s.now = s.now.Add(max(0, steps[s.IntN(len(steps))]))
	}
}

// lends returns how many units may be lent beyond a request: at most half of
// what is left.
func lends(peek ratelimit.Result, cost, lend int) int {
	if !peek.Allowed {
		return 0
	}
	left := min(peek.Minute.Remaining, peek.Day.Remaining)
	for _, b := range []ratelimit.Balance{peek.WorkspaceMinute, peek.WorkspaceDay} {
		if b.Limit != 0 {
			left = min(left, b.Remaining)
		}
	}
	return min(lend, int(left)/2)
}

// The script and the engine, which forgets what has expired and is started
// again now and then, answer as package ratelimit does for one that forgets
// nothing too early: from day to day, with a clock that is set back by up to an
// hour, and with what is lent.
func TestScriptOverDays(t *testing.T) {
	server := redistest.Start(t)
	conn := dial(t, server.Addr)
	for end := time.Now().Add(long(t, 1500*time.Millisecond)); time.Now().Before(end); {
		seed := rand.Uint64()
		s := &sequence{Rand: rand.New(rand.NewPCG(seed, 0)), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
		one, fleet := ratelimit.New(), shared.New(conn, shared.Options{})
		fleet.SetClockAndExpire("now")
		server.Do("FLUSHALL")
		high := s.now
		var due, gone time.Time // gone is due, as the engine counts
		for i := range 200 {
			if i == 0 || s.IntN(20) == 0 {
				for s.limits(); s.caps.WorkspaceLimits.IsZero(); s.limits() {
					continue // so that the two hashes are used together
				}
			}
			s.step(high)
			if s.now.After(high) {
				high = s.now
			}
			setNow(t, conn, s.now)
			if i%100 == 99 {
				server.Do("DEBUG", []string{"RELOAD", "LOADAOF"}[s.IntN(2)])
			}
			if !gone.IsZero() && !s.now.Before(gone) {
				due = time.Time{}
				one.Drain(nil, nil)
				one.Sweep(s.now)
				if keys, workspaces := one.Len(); keys+workspaces != 0 {
					t.Fatalf("seed %d, request %d: %d keys and %d workspaces would still be remembered at %s", seed, i, keys, workspaces, s.now)
				}
			}
			cost, lend := s.cost(), 0
			if s.IntN(3) == 0 {
				lend = s.IntN(50)
			}
			peek := one.Peek(keyA, s.caps, cost, s.now)
			if got, err := fleet.Peek(keyA, s.caps, cost); err != nil || got != peek {
				t.Fatalf("seed %d, request %d: Peek for %d of %+v at %s\n got %+v, %v\nwant %+v", seed, i, cost, s.caps, s.now, got, err, peek)
			}
			want, lent := one.Take(keyA, s.caps, cost, s.now), lends(peek, cost, lend)
			if lent > 0 {
				want = one.Take(keyA, s.caps, lent, s.now)
			}
			if got, gotLent, err := fleet.Lend(keyA, s.caps, cost, lend); err != nil || got != want || gotLent != lent {
				t.Fatalf("seed %d, request %d: %d and %d more of %+v at %s\n got %+v and %d, %v\nwant %+v and %d", seed, i, cost, lend, s.caps, s.now, got, gotLent, err, want, lent)
			}
			if after := (apikey.DayOf(s.now) + 1).Start().Add(grace); after.After(due) {
				due = after
			}
			for _, key := range []string{"keygate:l:{acme}:" + keyA.String(), "keygate:lw:{acme}"} {
				// Engines count in milliseconds; what is rounded is rounded up.
				micros, err := strconv.ParseInt(server.Do("HGET", "expires", key), 10, 64)
				if late := micros - due.UnixMicro(); err != nil || late < 0 || late >= 1000 {
					t.Fatalf("seed %d, request %d: %s expires %d µs after %s (%v)", seed, i, key, late, due, err)
				}
				gone = time.UnixMicro(micros)
			}
		}
	}
}

// A count goes as far as the Go package's, and stays there: one of a workspace
// that has no limit a day is kept for when it gets one.
func TestScriptStopsCounting(t *testing.T) {
	server := redistest.Start(t)
	conn := dial(t, server.Addr)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	setNow(t, conn, now)
	one, fleet := ratelimit.New(), shared.New(conn, shared.Options{})
	fleet.SetClock("now")
	caps := limits(1_000_000, 1_000_000, 1_000_000_000)
	caps.WorkspaceLimits.PerMinute = 10_000_000
	take := func() {
		t.Helper()
		want := one.Take(keyA, caps, 4, now)
		if got, err := fleet.Charge(keyA, caps, 4); err != nil || got != want {
			t.Fatalf("%+v\n got %+v, %v\nwant %+v", caps, got, err, want)
		}
	}
	take()
	const before = math.MaxUint32 - 6
	server.Do("HSET", "keygate:lw:{acme}", "used", strconv.Itoa(before))
	one.RestoreWorkspace(apikey.WorkspaceUsage{Workspace: "acme", Day: apikey.DayOf(now), Charged: before})
	for range 3 {
		take()
		for _, perDay := range []uint32{0, math.MaxUint32, math.MaxUint32 - 1, math.MaxUint32 - 2} {
			look := caps
			look.WorkspaceLimits.PerDay = perDay
			want := one.Peek(keyA, look, 1, now)
			if got, err := fleet.Peek(keyA, look, 1); err != nil || got != want {
				t.Fatalf("%d a day:\n got %+v, %v\nwant %+v", perDay, got, err, want)
			}
		}
	}
	if used := server.Do("HGET", "keygate:lw:{acme}", "used"); used != strconv.Itoa(math.MaxUint32) {
		t.Errorf("%s are counted; want %d", used, math.MaxUint32)
	}
}

// A token counts as there when it is due within half a nanosecond, and not
// before. In a microsecond PerMinute of its 60,000,000 parts refill.
func TestScriptTokenIsDue(t *testing.T) {
	server := redistest.Start(t)
	conn := dial(t, server.Addr)
	fleet := shared.New(conn, shared.Options{})
	fleet.SetClock("now")
	for _, perMinute := range []uint32{1, 1999, 2000, 2001, 3999, 4000, 999_983, 1_000_000} {
		caps := limits(perMinute, perMinute, 1000)
		server.Do("FLUSHALL")
		setNow(t, conn, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
		if _, err := fleet.Charge(keyA, caps, 1); err != nil {
			t.Fatal(err)
		}
		early := int(perMinute) / 2000
		for missing, want := range map[int]bool{0: true, early: true, early + 1: false} {
			server.Do("HSET", "keygate:l:{acme}:"+keyA.String(), "tokens", strconv.Itoa(60_000_000-missing))
			if r, err := fleet.Charge(keyA, caps, 1); err != nil || r.Allowed != want {
				t.Errorf("%d a minute, and %d parts missing: allowed %t (%v); want %t", perMinute, missing, r.Allowed, err, want)
			}
		}
	}
}

// Wherever a clock is set to, the script counts as package ratelimit does, and
// keeps a hash for an hour after the later of the two days that it remembers.
func TestScriptAfterClockSteps(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "no")
	conn := dial(t, server.Addr)
	for end := time.Now().Add(long(t, 500*time.Millisecond)); time.Now().Before(end); {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		one, fleet := ratelimit.New(), shared.New(conn, shared.Options{})
		fleet.SetClock("now")
		server.Do("FLUSHALL")
		caps := limits(600, 600, 30)
		caps.WorkspaceLimits.PerDay = 50
		for i := range 60 {
			now = now.Add(time.Duration(r.IntN(13)-6)*12*time.Hour + time.Duration(r.IntN(3))*time.Microsecond)
			setNow(t, conn, now)
			cost := 1 + r.IntN(20)
			want := one.Take(keyA, caps, cost, now)
			if got, err := fleet.Charge(keyA, caps, cost); err != nil || got != want {
				t.Fatalf("seed %d, request %d: %d at %s\n got %+v, %v\nwant %+v", seed, i, cost, now, got, err, want)
			}
			for _, key := range []string{"keygate:l:{acme}:" + keyA.String(), "keygate:lw:{acme}"} {
				var last apikey.Day
				for day := range strings.Lines(server.Do("HMGET", key, "day", "day_before")) {
					n, err := strconv.Atoi(strings.TrimSpace(day))
					if err != nil {
						t.Fatal(err)
					}
					last = max(last, apikey.Day(n))
				}
				due := (last + 1).Start().Add(grace)
				micros, err := strconv.ParseInt(server.Do("HGET", "expires", key), 10, 64)
				if late := micros - due.UnixMicro(); err != nil || late < 0 || late >= 1000 {
					t.Fatalf("seed %d, request %d: %s expires %d µs after %s (%v)", seed, i, key, late, due, err)
				}
			}
		}
	}
}
