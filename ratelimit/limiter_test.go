package ratelimit_test

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// noon has no monotonic reading: the tests set the clock as they like.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var (
	keyA = apikey.ID([]byte("7Hk2Qp9aX3bC"))
	keyB = apikey.ID([]byte("000000000000"))
)

func limits(perMinute, burst, perDay uint32) ratelimit.Caps {
	return ratelimit.Caps{Limits: apikey.Limits{PerMinute: perMinute, Burst: burst, PerDay: perDay}}
}

// take asks n times at once and returns how many passed.
func take(l *ratelimit.Limiter, lim ratelimit.Caps, n int, now time.Time) int {
	passed := 0
	for range n {
		if l.Take(keyA, lim, 1, now).Allowed {
			passed++
		}
	}
	return passed
}

func TestTakeResult(t *testing.T) {
	lim := limits(60, 60, 10_000)
	untilMidnight := 12 * 60 * 60
	tests := []struct {
		name   string
		lim    ratelimit.Caps
		before int           // requests of cost 1 at noon
		after  time.Duration // since noon
		cost   int
		want   ratelimit.Result
	}{
		{"first", lim, 0, 0, 1, ratelimit.Result{
			Allowed: true,
			Minute:  ratelimit.Balance{Limit: 60, Remaining: 59, Reset: 1},
			Day:     ratelimit.Balance{Limit: 10_000, Remaining: 9_999, Reset: untilMidnight},
		}},
		{"last of the bucket", lim, 59, 0, 1, ratelimit.Result{
			Allowed: true,
			Minute:  ratelimit.Balance{Limit: 60, Remaining: 0, Reset: 1},
			Day:     ratelimit.Balance{Limit: 10_000, Remaining: 9_940, Reset: untilMidnight},
		}},
		{"one too many", lim, 60, 0, 1, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 60, Remaining: 0, Reset: 1},
			Day:             ratelimit.Balance{Limit: 10_000, Remaining: 9_940, Reset: untilMidnight},
			MinuteExhausted: true, RetryAfter: 1,
		}},
		{"a nanosecond too early", lim, 60, time.Second - 1, 1, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 60, Remaining: 0, Reset: 1},
			Day:             ratelimit.Balance{Limit: 10_000, Remaining: 9_940, Reset: untilMidnight},
			MinuteExhausted: true, RetryAfter: 1,
		}},
		{"in time", lim, 60, time.Second, 1, ratelimit.Result{
			Allowed: true,
			Minute:  ratelimit.Balance{Limit: 60, Remaining: 0, Reset: 1},
			Day:     ratelimit.Balance{Limit: 10_000, Remaining: 9_939, Reset: untilMidnight - 1},
		}},
		{"a cost waits for all of it", lim, 60, 1500 * time.Millisecond, 5, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 60, Remaining: 1, Reset: 1},
			Day:             ratelimit.Balance{Limit: 10_000, Remaining: 9_940, Reset: untilMidnight - 1},
			MinuteExhausted: true, RetryAfter: 4,
		}},
		{"slow refill", limits(1, 1, 10), 1, 500 * time.Millisecond, 1, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 1, Remaining: 0, Reset: 60},
			Day:             ratelimit.Balance{Limit: 10, Remaining: 9, Reset: untilMidnight},
			MinuteExhausted: true, RetryAfter: 60,
		}},
		{"day exhausted", limits(60, 60, 5), 5, 2 * time.Second, 1, ratelimit.Result{
			Minute:       ratelimit.Balance{Limit: 60, Remaining: 57, Reset: 1},
			Day:          ratelimit.Balance{Limit: 5, Remaining: 0, Reset: untilMidnight - 2},
			DayExhausted: true, RetryAfter: untilMidnight - 2,
		}},
		{"both exhausted: the later", limits(60, 5, 5), 5, 0, 1, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 5, Remaining: 0, Reset: 1},
			Day:             ratelimit.Balance{Limit: 5, Remaining: 0, Reset: untilMidnight},
			MinuteExhausted: true, DayExhausted: true, RetryAfter: untilMidnight,
		}},
		{"more than the bucket", limits(60, 4, 100), 2, 0, 5, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 4, Remaining: 2, Reset: 1},
			Day:             ratelimit.Balance{Limit: 100, Remaining: 98, Reset: untilMidnight},
			MinuteExhausted: true, RetryAfter: 2, Never: true,
		}},
		{"more than a full bucket", limits(60, 4, 100), 0, 0, 5, ratelimit.Result{
			Minute:          ratelimit.Balance{Limit: 4, Remaining: 4},
			Day:             ratelimit.Balance{Limit: 100, Remaining: 100, Reset: untilMidnight},
			MinuteExhausted: true, RetryAfter: 1, Never: true,
		}},
		{"more than the quota", limits(60, 60, 4), 0, 0, 5, ratelimit.Result{
			Minute:       ratelimit.Balance{Limit: 60, Remaining: 60},
			Day:          ratelimit.Balance{Limit: 4, Remaining: 4, Reset: untilMidnight},
			DayExhausted: true, RetryAfter: untilMidnight, Never: true,
		}},
		{"largest limits", limits(1_000_000, 1_000_000, 1_000_000_000), 0, 0, 1000, ratelimit.Result{
			Allowed: true,
			Minute:  ratelimit.Balance{Limit: 1_000_000, Remaining: 999_000, Reset: 1},
			Day:     ratelimit.Balance{Limit: 1_000_000_000, Remaining: 999_999_000, Reset: untilMidnight},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			if passed := take(l, tt.lim, tt.before, noon); passed != tt.before {
				t.Fatalf("%d of the %d requests before passed", passed, tt.before)
			}
			now := noon.Add(tt.after)
			if got := l.Peek(keyA, tt.lim, tt.cost, now); got != tt.want {
				t.Errorf("Peek\n got %+v\nwant %+v", got, tt.want)
			}
			if got := l.Take(keyA, tt.lim, tt.cost, now); got != tt.want {
				t.Errorf("Take\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// Each limit and cost at its highest: so much passes, and one more does not.
func TestHighestLimits(t *testing.T) {
	const maxCost = 1000
	for _, tt := range []struct {
		name          string
		caps          ratelimit.Caps
		charged       uint64 // today, before
		cost          int
		passes        int
		minute, never bool
	}{
		{"cost of the burst", limits(apikey.MaxPerMinute, maxCost, apikey.MaxPerDay), 0, maxCost, 1, true, false},
		{"cost above the burst", limits(apikey.MaxPerMinute, maxCost-1, apikey.MaxPerDay), 0, maxCost, 0, true, true},
		{"cost of the quota", limits(apikey.MaxPerMinute, apikey.MaxPerMinute, maxCost), 0, maxCost, 1, false, false},
		{"cost above the quota", limits(apikey.MaxPerMinute, apikey.MaxPerMinute, maxCost-1), 0, maxCost, 0, false, true},
		{"a minute", limits(apikey.MaxPerMinute, apikey.MaxPerMinute, apikey.MaxPerDay), 0, maxCost, apikey.MaxPerMinute / maxCost, true, false},
		{"a day", limits(apikey.MaxPerMinute, apikey.MaxPerMinute, apikey.MaxPerDay), apikey.MaxPerDay - 2, 1, 2, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			l.Restore(apikey.Usage{ID: keyA, Day: apikey.DayOf(noon), Charged: tt.charged})
			for i := range tt.passes {
				if r := l.Take(keyA, tt.caps, tt.cost, noon); !r.Allowed {
					t.Fatalf("request %d: %+v", i, r)
				}
			}
			if r := l.Take(keyA, tt.caps, tt.cost, noon); r.Allowed || r.MinuteExhausted != tt.minute || r.DayExhausted == tt.minute || r.Never != tt.never {
				t.Errorf("one more: %+v; want it refused for the minute: %t, never: %t", r, tt.minute, tt.never)
			}
		})
	}
}

// Both limits are reached, and the bucket is the one that lets through last.
func TestRetryAfterIsTheLaterLimit(t *testing.T) {
	l, lim := ratelimit.New(), limits(1, 1, 1)
	late := noon.Add(12*time.Hour - 10*time.Second)
	take(l, lim, 1, late)
	got := l.Take(keyA, lim, 1, late)
	if !got.MinuteExhausted || !got.DayExhausted || got.RetryAfter != 60 || got.Day.Reset != 10 {
		t.Errorf("got %+v, want both exhausted, RetryAfter 60, Day.Reset 10", got)
	}
}

// Whoever waits for RetryAfter passes, and nobody passes a second earlier.
func TestRetryAfterIsRight(t *testing.T) {
	for _, perMinute := range []uint32{1, 7, 11, 59, 60, 61, 999, 999_983} {
		for _, cost := range []int{1, 2, 5, 999} {
			if cost > int(perMinute) {
				continue
			}
			lim := limits(perMinute, perMinute, 1_000_000_000)
			l := ratelimit.New()
			at := noon.Add(123456789)
			for l.Take(keyA, lim, 1000, at).Allowed {
			}
			for l.Take(keyA, lim, cost, at).Allowed {
			}
			r := l.Take(keyA, lim, cost, at)
			if r.RetryAfter < 1 {
				t.Fatalf("%d/min, cost %d: refused with RetryAfter %d", perMinute, cost, r.RetryAfter)
			}
			if r.RetryAfter > 1 && l.Take(keyA, lim, cost, at.Add(time.Duration(r.RetryAfter-1)*time.Second)).Allowed {
				t.Errorf("%d/min, cost %d: passed a second before RetryAfter %d", perMinute, cost, r.RetryAfter)
			}
			if !l.Take(keyA, lim, cost, at.Add(time.Duration(r.RetryAfter)*time.Second)).Allowed {
				t.Errorf("%d/min, cost %d: refused after RetryAfter %d", perMinute, cost, r.RetryAfter)
			}
		}
	}
}

// A refusal by one limit charges nothing to the other.
func TestBothOrNeither(t *testing.T) {
	t.Run("minute refuses", func(t *testing.T) {
		l, lim := ratelimit.New(), limits(60, 3, 10)
		take(l, lim, 100, noon)
		if got := l.Take(keyA, lim, 1, noon); got.Day.Remaining != 7 {
			t.Errorf("the day has %d left after 3 charged, want 7", got.Day.Remaining)
		}
	})
	t.Run("day refuses", func(t *testing.T) {
		l, lim := ratelimit.New(), limits(60, 10, 3)
		take(l, lim, 100, noon)
		if got := l.Take(keyA, lim, 1, noon); got.Minute.Remaining != 7 {
			t.Errorf("the bucket has %d left after 3 charged, want 7", got.Minute.Remaining)
		}
	})
}

func TestChangedLimits(t *testing.T) {
	tests := []struct {
		name          string
		before, after ratelimit.Caps
		used          int
		wait          time.Duration
		minute, day   uint32 // remaining under the limits after
	}{
		{"smaller burst clamps", limits(60, 60, 100), limits(60, 10, 100), 5, 0, 10, 95},
		{"smaller burst keeps what is below", limits(60, 60, 100), limits(60, 10, 100), 53, 0, 7, 47},
		{"larger burst is only room", limits(60, 10, 100), limits(600, 600, 100), 4, 0, 6, 96},
		{"larger burst refills at the new rate", limits(60, 10, 100), limits(600, 600, 100), 4, 0, 6, 96},
		{"time before the change counts at the old rate", limits(60, 60, 100), limits(600, 600, 100), 60, 7 * time.Second, 7, 40},
		{"smaller quota", limits(60, 60, 100), limits(60, 60, 8), 10, 0, 50, 0},
		{"larger quota", limits(60, 60, 10), limits(60, 60, 100), 10, 0, 50, 90},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			take(l, tt.before, tt.used, noon)
			now := noon.Add(tt.wait)
			// A cost that never passes shows the balance and charges nothing.
			peek := l.Peek(keyA, tt.after, 2_000_000, now)
			got := l.Take(keyA, tt.after, 2_000_000, now)
			if got != peek {
				t.Errorf("Peek %+v differs from Take %+v", peek, got)
			}
			if got.Minute.Remaining != tt.minute || got.Day.Remaining != tt.day {
				t.Errorf("minute %d, day %d left; want %d, %d", got.Minute.Remaining, got.Day.Remaining, tt.minute, tt.day)
			}
		})
	}
	t.Run("the new rate holds from the change on", func(t *testing.T) {
		l := ratelimit.New()
		take(l, limits(60, 60, 1000), 60, noon)
		raised := limits(600, 600, 1000)
		take(l, raised, 1, noon)
		if got := take(l, raised, 1000, noon.Add(2*time.Second)); got != 20 {
			t.Errorf("%d passed two seconds after a raise to 10/s, want 20", got)
		}
	})
	t.Run("so does a new rate with the old burst", func(t *testing.T) {
		l := ratelimit.New()
		take(l, limits(60, 60, 1000), 60, noon)
		raised := limits(120, 60, 1000)
		take(l, raised, 1, noon)
		if got := take(l, raised, 1000, noon.Add(2*time.Second)); got != 4 {
			t.Errorf("%d passed two seconds after a raise to 2/s, want 4", got)
		}
	})
	t.Run("there and back gains nothing", func(t *testing.T) {
		l := ratelimit.New()
		wide, narrow := limits(60, 60, 1000), limits(60, 5, 1000)
		take(l, wide, 1, noon)
		take(l, narrow, 1, noon)
		if got := take(l, wide, 100, noon); got != 4 {
			t.Errorf("%d passed, want the 4 that the small bucket still had", got)
		}
	})
}

func TestDenyChargesNothing(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 100)
	take(l, lim, 10, noon)
	for range 1000 {
		l.Deny(keyA, lim, noon)
	}
	want := ratelimit.Result{
		Minute: ratelimit.Balance{Limit: 60, Remaining: 50, Reset: 1},
		Day:    ratelimit.Balance{Limit: 100, Remaining: 90, Reset: 12 * 60 * 60},
	}
	if got := l.Deny(keyA, lim, noon); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPeekKeepsNothing(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 100)
	for range 1000 {
		if got := l.Peek(keyA, lim, 1, noon); got.Minute.Remaining != 59 {
			t.Fatalf("Peek left %d, want 59 each time", got.Minute.Remaining)
		}
	}
	if n := lenKeys(l); n != 0 {
		t.Errorf("%d keys have state after Peek, want 0", n)
	}
	take(l, lim, 60, noon)
	l.Peek(keyA, lim, 1, noon.Add(48*time.Hour))
	if got := take(l, lim, 1, noon); got != 0 {
		t.Error("a look at the day after tomorrow refilled the bucket of today")
	}
	drain(l)
	l.Peek(keyA, lim, 1, noon.Add(48*time.Hour))
	if u := drain(l); len(u) != 0 {
		t.Errorf("Peek left %v to save", u)
	}
}

func TestKeysDoNotShare(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 100)
	take(l, lim, 60, noon)
	if got := l.Take(keyB, lim, 1, noon); got.Minute.Remaining != 59 {
		t.Errorf("another key's bucket has %d left, want 59", got.Minute.Remaining)
	}
}
