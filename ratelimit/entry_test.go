package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// many is so many keys that the table of every shard grows several times.
const many = 20_000

// TestTablesGrow makes sure that each key and workspace keeps its own counts
// and bucket while others come, and that what was emptied is used again.
func TestTablesGrow(t *testing.T) {
	caps := func(n int) ratelimit.Caps {
		c := limits(100, 100, 1000)
		c.Workspace, c.WorkspaceLimits = fmt.Sprint("workspace", n), apikey.WorkspaceLimits{PerMinute: 200, PerDay: 2000}
		return c
	}
	cost := func(n int) int { return 1 + n%50 }
	check := func(l *ratelimit.Limiter, n, spent int, at time.Time) {
		t.Helper()
		r := l.Peek(key(n), caps(n), 1, at)
		got := [4]uint32{r.Minute.Remaining, r.Day.Remaining, r.WorkspaceMinute.Remaining, r.WorkspaceDay.Remaining}
		s := uint32(spent) + 1
		if want := [4]uint32{100 - s, 1000 - s, 200 - s, 2000 - s}; got != want {
			t.Fatalf("key %d has %v left; want %v", n, got, want)
		}
	}
	l := ratelimit.New()
	for n := range many {
		l.Take(key(n), caps(n), cost(n), noon)
	}
	for n := range many {
		check(l, n, cost(n), noon)
	}
	tomorrow := noon.Add(day)
	for n := 1; n < many; n += 2 {
		l.Take(key(n), caps(n), cost(n), tomorrow)
	}
	drain(l)
	l.Sweep(tomorrow) // drops the others
	if keys, workspaces := l.Len(); keys != many/2 || workspaces != many/2 {
		t.Errorf("%d keys and %d workspaces; want %d of each", keys, workspaces, many/2)
	}
	for n := 1; n < many; n += 2 {
		check(l, n, cost(n), tomorrow)
	}
	c := limits(100, 100, 1000)
	for n := 0; n < many; n += 2 {
		if r := l.Take(key(n), c, 7, tomorrow); r.Day.Remaining != 993 {
			t.Fatalf("key %d begins anew with %+v", n, r)
		}
	}
	for n := range many {
		want := cost(n)
		if n%2 == 0 {
			want = 7
		}
		if r := l.Peek(key(n), c, 1, tomorrow); r.Day.Remaining != uint32(999-want) {
			t.Fatalf("key %d has %d left; want %d", n, r.Day.Remaining, 999-want)
		}
	}
}

// TestSweepModel uses, forgets and sweeps keys at random, and compares with a
// map what is left of which. The number of keys goes up and down, so that tables
// grow, shrink and fill with what has gone.
func TestSweepModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	l, lim := ratelimit.New(), limits(60, 60, 1_000_000)
	model := make(map[int]uint32) // what each key spent on its day
	used := make(map[int]apikey.Day)
	now := noon
	for round := range 40 {
		keys := []int{8_000, 500, 3_000}[round%3]
		for range keys {
			switch n := r.IntN(keys); r.IntN(8) {
			case 0:
				l.Forget(key(n)) // which gives nothing back
			default:
				day := apikey.DayOf(now)
				if used[n] != day {
					delete(model, n)
				}
				if l.Take(key(n), lim, 1, now).Allowed {
					model[n]++
				}
				used[n] = day
			}
		}
		drain(l)
		if keys == 8_000 { // few of which are used on the next day, too
			now = now.Add(24 * time.Hour)
			continue
		}
		now = now.Add(time.Duration(r.IntN(8)) * time.Hour)
		l.Sweep(now.Add(time.Minute)) // by when all buckets are full
		today := apikey.DayOf(now.Add(time.Minute))
		for n := range model {
			if used[n] != today {
				delete(model, n)
			}
		}
		if got, _ := l.Len(); got != len(model) {
			t.Fatalf("seed %d, round %d: %d keys are left; want %d", seed, round, got, len(model))
		}
		for n := range 8_000 {
			if p := l.Peek(key(n), lim, 1, now); used[n] == today && p.Day.Remaining != 1_000_000-1-model[n] {
				t.Fatalf("seed %d, round %d: key %d has %d left, and spent %d", seed, round, n, p.Day.Remaining, model[n])
			}
		}
	}
}
