package ratelimit_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// restart stops l at an instant and starts another at a later or earlier one,
// with what a store would hand to it: today's use and that of later days.
func restart(l *ratelimit.Limiter, stopped, started time.Time) *ratelimit.Limiter {
	n := ratelimit.New()
	keys, workspaces := l.Drain(nil, nil)
	today := apikey.DayOf(started)
	for _, u := range keys {
		if u.Day >= today {
			n.Restore(u)
		}
	}
	for _, u := range workspaces {
		if u.Day >= today {
			n.RestoreWorkspace(u)
		}
	}
	for _, b := range l.Buckets(stopped) {
		n.RestoreBucket(b, started)
	}
	n.Sweep(started)
	return n
}

func TestRestoreBucket(t *testing.T) {
	sec := time.Second
	lim := limits(60, 60, 1e9)
	tests := []struct {
		name    string
		used    int // of 60 at noon
		started time.Duration
		lim     ratelimit.Caps // after
		steps   []step         // since noon
	}{
		{"at once", 50, 0, lim, []step{{0, 10}, {sec, 1}, {minute, 59}}},
		{"refilled meanwhile", 60, 7500 * time.Millisecond, lim, []step{{7500 * time.Millisecond, 7}, {8 * sec, 1}, {9*sec - 1, 0}, {9 * sec, 1}}},
		{"never beyond the burst", 60, 10 * years, lim, []step{{10 * years, 60}, {10*years + sec, 1}}},
		{"clock set back", 55, -hour, lim, []step{{-hour, 5}, {-hour + sec, 1}, {-hour + minute, 59}}},
		{"clock set back far", 60, -years, lim, []step{{-years, 0}, {-years + minute, 60}}},
		{"clock set back and forward again", 60, -hour, lim, []step{{-hour, 0}, {0, 0}, {sec, 1}, {-sec, 0}}},
		{"smaller bucket", 10, 0, limits(6, 6, 1e9), []step{{0, 6}, {10 * sec, 1}}},
		{"larger bucket is only room", 60, 5 * sec, limits(600, 600, 1e9), []step{{5 * sec, 5}, {6 * sec, 10}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			take(l, lim, tt.used, noon)
			run(t, restart(l, noon, noon.Add(tt.started)), tt.lim, tt.steps)
		})
		t.Run(tt.name+", workspace", func(t *testing.T) {
			l, c := ratelimit.New(), together(60, 1e9)
			takeBy(l, keyB, c, tt.used, noon)
			run(t, restart(l, noon, noon.Add(tt.started)), together(tt.lim.PerMinute, 1e9), tt.steps)
		})
	}
}

// A bucket that holds nothing back, or has no size, is no reason to remember a
// key.
func TestRestoreOfNothing(t *testing.T) {
	full := apikey.Bucket{ID: keyA, PerMinute: 60, Burst: 60, At: noon}
	for name, b := range map[string]apikey.Bucket{
		"full":                {ID: keyA, PerMinute: 60, Burst: 60, Tokens: 60, At: noon},
		"refilled":            {ID: keyA, PerMinute: 60, Burst: 60, At: noon.Add(-minute)},
		"refilled long since": {ID: keyA, PerMinute: 60, Burst: 60, At: noon.Add(-years)},
		"no rate":             {ID: keyA, Burst: 60, At: noon},
		"no size":             {ID: keyA, PerMinute: 60, Tokens: -1, At: noon},
		"nothing":             {ID: keyA, At: noon},
	} {
		l := ratelimit.New()
		l.RestoreBucket(b, noon)
		if n := lenKeys(l); n != 0 {
			t.Errorf("%s: %d keys are remembered", name, n)
		}
	}
	l := ratelimit.New()
	full.Tokens = 60 - 1e-6
	l.RestoreBucket(full, noon)
	if n := lenKeys(l); n != 1 {
		t.Errorf("a bucket that is not full: %d keys are remembered", n)
	}
}

// The process's own clock does not jump: a wall clock that was set back costs
// no refill beyond the time that it was down for.
func TestRestoreBucketByTheMonotonicClock(t *testing.T) {
	now := time.Now()
	l, lim := ratelimit.New(), limits(60, 60, 1e9)
	l.RestoreBucket(apikey.Bucket{ID: keyA, PerMinute: 60, Burst: 60, At: now.Round(0).Add(30 * time.Second)}, now)
	for i, s := range []step{{0, 0}, {minute, 60}} {
		if got := take(l, lim, 100, now.Add(s.at)); got != s.want {
			t.Errorf("step %d: %d passed, want %d", i, got, s.want)
		}
	}
}

func TestBuckets(t *testing.T) {
	l, c := ratelimit.New(), together(600, 0)
	c.Limits = limits(120, 60, 1e9).Limits
	takeBy(l, keyA, c, 10, noon)
	takeBy(l, keyB, c, 1, noon)
	at := noon.Add(1250 * time.Millisecond) // keyB's is full again, the workspace's too
	for range 2 {
		got := l.Buckets(at)
		if len(got) != 1 || got[0].ID != keyA || got[0].Workspace != "" || got[0].Burst != 60 || got[0].PerMinute != 120 ||
			!got[0].At.Equal(at) || math.Abs(got[0].Tokens-52.5) > 1e-6 {
			t.Errorf("got %+v, want keyA's with 52.5 tokens", got)
		}
	}
	got := l.Buckets(noon.Add(time.Second))
	if len(got) != 2 || got[1].ID != (apikey.ID{}) || got[1].Workspace != acme || got[1].Burst != 600 || math.Abs(got[1].Tokens-599) > 1e-6 {
		t.Errorf("got %+v, want keyA's and the workspace's with 599 tokens", got)
	}
}

// What is restored is never more than what was saved, and less by no more than
// the refill of a nanosecond. The last restored counts.
func TestRestoredTokens(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		perMinute := 1 + rng.Uint32N(1_000_000)
		want := rng.Float64() * float64(perMinute)
		l := ratelimit.New()
		for _, tokens := range []float64{(want + float64(perMinute)) / 2, want} {
			l.RestoreBucket(apikey.Bucket{ID: keyA, Tokens: tokens, PerMinute: perMinute, Burst: perMinute, At: noon}, noon)
		}
		got := l.Buckets(noon)
		const rounding = 1e-9
		if least := want - float64(perMinute)/60e9 - rounding; len(got) != 1 || got[0].Tokens > want+rounding || got[0].Tokens < least {
			t.Fatalf("%d/min: restored %+v, want %v to %v", perMinute, got, least, want)
		}
	}
}

// A key that went through restarts is answered as one that did not.
func TestRestartsDoNotShow(t *testing.T) {
	same := 0
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 5))
		perMinute := 1 + rng.Uint32N(100_000)
		c := ratelimit.Caps{Limits: limits(perMinute, 1+rng.Uint32N(perMinute), 1e9).Limits, Workspace: acme}
		c.WorkspaceLimits = apikey.WorkspaceLimits{PerMinute: 1 + rng.Uint32N(100_000), PerDay: 1e9}
		steady, restarted := ratelimit.New(), ratelimit.New()
		now, restarts := noon, 0
		var passed, want int64
		for i := range 500 {
			now = now.Add(time.Duration(rng.Int64N(int64(5 * time.Second))))
			cost := 1 + rng.IntN(20)
			if rng.IntN(10) == 0 {
				at := now
				now = now.Add(time.Duration(rng.Int64N(int64(10 * time.Second))))
				restarted = restart(restarted, at, now)
				restarts++
			}
			a, b := steady.Take(keyA, c, cost, now), restarted.Take(keyA, c, cost, now)
			if a.Allowed {
				want += int64(cost)
			}
			if b.Allowed {
				passed += int64(cost)
			}
			// A restart rounds down by less than a nanosecond's refill, so that a
			// balance may show one token fewer at the very instant it is due.
			for _, pair := range [][2]uint32{{a.Minute.Remaining, b.Minute.Remaining}, {a.WorkspaceMinute.Remaining, b.WorkspaceMinute.Remaining}} {
				if a.Allowed == b.Allowed && (pair[1] > pair[0] || pair[0]-pair[1] > 1) || passed > want {
					t.Fatalf("seed %d, request %d after %d restarts with %+v:\nsteady    %+v\nrestarted %+v", seed, i, restarts, c, a, b)
				}
			}
			if a.Allowed != b.Allowed {
				break // from here on the two are charged differently
			}
			same++
		}
	}
	if same < 14_000 {
		t.Errorf("only %d of 15,000 answers were the same", same)
	}
}

// The clock is set back while the process is down. An exhausted key, and an
// exhausted workspace, stay so but on days that are remembered.
func TestRestoreDaysAhead(t *testing.T) {
	key := limits(1000, 1000, 100)
	tests := []struct {
		name  string
		used  []step // before the restart
		steps []step // after it; the first is when it starts
	}{
		{"no use on the day shown", []step{{0, 100}}, []step{{-day, 0}, {0, 0}, {day, 100}}},
		{"use on the day shown", []step{{-day, 100}, {0, 100}}, []step{{-day, 0}, {0, 0}, {day, 100}}},
		{"back by days", []step{{0, 100}}, []step{{-9 * day, 0}, {-9*day + hour, 0}, {0, 0}, {day, 100}}},
		{"set back after the start", []step{{-day, 100}, {0, 100}}, []step{{0, 0}, {-day, 0}, {0, 0}, {day, 100}}},
		{"set back after the start, to before the day of a sweep", []step{{-day, 100}}, []step{{0, 100}, {-day, 0}, {0, 0}, {day, 100}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			run(t, l, key, tt.used)
			run(t, restart(l, noon.Add(tt.used[len(tt.used)-1].at), noon.Add(tt.steps[0].at)), key, tt.steps)
		})
		t.Run(tt.name+", workspace", func(t *testing.T) {
			l, c := ratelimit.New(), together(1000, 100)
			run(t, l, c, tt.used)
			run(t, restart(l, noon.Add(tt.used[len(tt.used)-1].at), noon.Add(tt.steps[0].at)), c, tt.steps)
		})
	}
	t.Run("goes on with a count that is remembered", func(t *testing.T) {
		l := ratelimit.New()
		today := apikey.DayOf(noon)
		l.RestoreBucket(apikey.Bucket{ID: keyA, Tokens: 999, PerMinute: 1000, Burst: 1000, At: noon.Add(-day)}, noon.Add(-day))
		l.Restore(apikey.Usage{ID: keyA, Day: today, Charged: 90, Allowed: 90})
		l.Restore(apikey.Usage{ID: keyA, Day: today - 1, Charged: 70, Allowed: 70})
		run(t, l, key, []step{{-day, 30}, {0, 10}, {-day, 0}, {0, 0}, {day, 100}})
	})
	t.Run("a bucket alone opens no day", func(t *testing.T) {
		l := ratelimit.New()
		l.RestoreBucket(apikey.Bucket{ID: keyA, Tokens: 999, PerMinute: 1000, Burst: 1000, At: noon}, noon)
		l.RestoreBucket(apikey.Bucket{ID: keyB, Tokens: 999, PerMinute: 1000, Burst: 1000, At: noon}, noon)
		run(t, l, key, []step{{-day, 100}, {-hour, 0}, {hour, 0}})
		// Another order: the day ahead comes after the bucket.
		l.Restore(apikey.Usage{ID: keyB, Day: apikey.DayOf(noon) + 1, Charged: 100, Allowed: 100})
		if got := takeBy(l, keyB, key, 100, noon); got != 0 {
			t.Errorf("%d passed on the day before the one that is exhausted, want 0", got)
		}
	})
}
