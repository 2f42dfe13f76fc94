package ratelimit_test

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// saved is what a store would hold: the latest total of each key and day.
type saved map[string]apikey.Usage

func (s saved) save(us []apikey.Usage) {
	for _, u := range us {
		s[fmt.Sprint(u.ID, u.Day)] = u
	}
}

func (s saved) of(id apikey.ID, d apikey.Day) apikey.Usage { return s[fmt.Sprint(id, d)] }

// drain returns the drained use of the keys.
func drain(l *ratelimit.Limiter) []apikey.Usage {
	us, _ := l.Drain(nil, nil)
	return us
}

func lenKeys(l *ratelimit.Limiter) int {
	keys, _ := l.Len()
	return keys
}

func TestDrain(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 10, 100)
	at := noon.Add(90 * time.Second)
	take(l, lim, 13, at)
	l.Take(keyA, lim, 5, noon.Add(10*minute+59*time.Second)) // full again
	l.Deny(keyA, lim, noon.Add(10*minute))
	l.Deny(keyA, lim, noon.Add(9*minute)) // the latest use counts, not the last
	want := []apikey.Usage{{
		ID: keyA, Day: apikey.DayOf(noon), Charged: 15, Allowed: 11, Limited: 3, Denied: 2,
		LastUsed: noon.Add(10 * minute).Unix(),
	}}
	if got := drain(l); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := drain(l); len(got) != 0 {
		t.Errorf("drained again without change: %+v", got)
	}
	take(l, lim, 1, noon.Add(hour))
	want[0].Charged, want[0].Allowed, want[0].LastUsed = 16, 12, noon.Add(hour).Unix()
	dst := make([]apikey.Usage, 1, 8)
	if got, _ := l.Drain(dst, nil); len(got) != 2 || got[1] != want[0] {
		t.Errorf("got %+v, want %+v after what was there", got, want)
	}
}

// Nothing is lost when days pass between two drains, however many.
func TestDrainAfterDays(t *testing.T) {
	for days := range 6 {
		l, lim, store := ratelimit.New(), limits(60, 60, 100), saved{}
		for d := range days {
			take(l, lim, d+1, noon.Add(time.Duration(d)*day))
		}
		store.save(drain(l))
		for d := range days {
			if got := store.of(keyA, apikey.DayOf(noon)+apikey.Day(d)); got.Allowed != uint64(d+1) {
				t.Errorf("of %d days, day %d was saved with %d allowed, want %d", days, d, got.Allowed, d+1)
			}
		}
	}
}

func TestUndrain(t *testing.T) {
	lim := limits(60, 60, 100)
	today := apikey.DayOf(noon)
	tests := []struct {
		name    string
		between func(*ratelimit.Limiter) // between Drain and Undrain
		want    map[apikey.Day]uint64    // allowed
	}{
		{"nothing happened", func(*ratelimit.Limiter) {}, map[apikey.Day]uint64{today: 3}},
		{"used since", func(l *ratelimit.Limiter) { take(l, lim, 2, noon) }, map[apikey.Day]uint64{today: 5}},
		{"day over", func(l *ratelimit.Limiter) { take(l, lim, 2, noon.Add(day)) }, map[apikey.Day]uint64{today: 3, today + 1: 2}},
		{"days over", func(l *ratelimit.Limiter) {
			take(l, lim, 1, noon)
			take(l, lim, 2, noon.Add(day))
			take(l, lim, 4, noon.Add(2*day))
		}, map[apikey.Day]uint64{today: 4, today + 1: 2, today + 2: 4}},
		{"swept", func(l *ratelimit.Limiter) { l.Sweep(noon.Add(day)) }, map[apikey.Day]uint64{today: 3}},
		{"swept and used", func(l *ratelimit.Limiter) {
			l.Sweep(noon.Add(day))
			take(l, lim, 2, noon.Add(day))
		}, map[apikey.Day]uint64{today: 3, today + 1: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, store := ratelimit.New(), saved{}
			take(l, lim, 3, noon)
			failed := drain(l)
			tt.between(l)
			l.Undrain(failed, nil)
			l.Undrain(failed, nil) // twice changes nothing
			store.save(drain(l))
			for d, want := range tt.want {
				if got := store.of(keyA, d).Allowed; got != want {
					t.Errorf("%s: saved %d allowed, want %d", d, got, want)
				}
			}
			if len(store) != len(tt.want) {
				t.Errorf("saved %v, want the days %v", store, tt.want)
			}
		})
	}
}

// What is drained, and what failed to be saved, is handed over once: neither
// again with the next Drain, nor beside a newer total of the same day.
func TestDrainedOnce(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 100)
	for d := range 4 { // the first days are owed: a key remembers two
		l.Take(keyA, lim, 1, noon.Add(time.Duration(d)*day))
	}
	if got := drain(l); len(got) != 4 {
		t.Errorf("drained %+v; want four days", got)
	}
	if got := drain(l); len(got) != 0 {
		t.Errorf("drained again: %+v", got)
	}
	l.Take(keyA, lim, 1, noon.Add(3*day))
	failed := drain(l)
	l.Take(keyA, lim, 1, noon.Add(3*day))
	l.Undrain(failed, nil)
	if got := drain(l); len(got) != 1 || got[0].Allowed != 3 {
		t.Errorf("after %+v failed, drained %+v; want one total of three", failed, got)
	}
	l.Undrain(failed, nil)
	if got := drain(l); len(got) != 1 || got[0].Allowed != 3 {
		t.Errorf("after %+v failed late, drained %+v; want one total of three", failed, got)
	}
}

// Use before 1970, as of a clock that was never set, is use in 1970.
func TestUseBefore1970(t *testing.T) {
	for _, at := range []int64{-100, 0, 59} {
		l := ratelimit.New()
		l.Take(keyA, limits(60, 60, 100), 1, time.Unix(at, 0))
		if got := drain(l); len(got) != 1 || got[0].LastUsed != 0 {
			t.Errorf("at %d: drained %+v; want a last use of 0", at, got)
		}
	}
}

// A day is left, begun anew as the clock is set back, and a save that failed in
// between is tried again.
func TestUndrainOfADayBegunAnew(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 100)
	run(t, l, limits(60, 50, 100), []step{{0, 50}, {day, 50}, {2 * day, 50}})
	failed := drain(l)
	take(l, lim, 1, noon.Add(-day))
	take(l, lim, 3, noon.Add(minute))
	l.Undrain(failed, nil)
	var most uint64 // what a store keeps, as it never lowers a total
	for _, u := range drain(l) {
		if u.Day == apikey.DayOf(noon) {
			most = max(most, u.Charged)
		}
	}
	if most != 50 {
		t.Errorf("the day is saved with %d charged, want 50", most)
	}
}

func TestRestore(t *testing.T) {
	lim := limits(60, 60, 100)
	today := apikey.DayOf(noon)
	u := apikey.Usage{ID: keyA, Day: today, Charged: 97, Allowed: 50, Limited: 4, Denied: 6, LastUsed: noon.Unix() - 3600}
	old := apikey.Usage{ID: keyA, Day: today - 1, Charged: 100, Allowed: 100, LastUsed: noon.Unix() - 86400}
	older := apikey.Usage{ID: keyA, Day: today - 2, Charged: 1, Allowed: 1}
	for name, order := range map[string][]apikey.Usage{
		"today": {u}, "forward": {older, old, u}, "backward": {u, old, older}, "twice": {old, u, old, u},
	} {
		t.Run(name, func(t *testing.T) {
			l := ratelimit.New()
			for _, u := range order {
				l.Restore(u)
			}
			if got := drain(l); len(got) != 0 {
				t.Errorf("restored use is saved again: %+v", got)
			}
			if got := l.Peek(keyA, lim, 1, noon); got.Day.Remaining != 2 || got.Minute.Remaining != 59 {
				t.Errorf("Peek %+v, want 2 left of the day and 59 of the minute", got)
			}
			if got := take(l, lim, 10, noon); got != 3 {
				t.Errorf("%d passed, want the 3 left", got)
			}
			l.Deny(keyA, lim, noon)
			want := apikey.Usage{ID: keyA, Day: today, Charged: 100, Allowed: 53, Limited: 11, Denied: 7, LastUsed: noon.Unix()}
			if got := drain(l); len(got) != 1 || got[0] != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if name != "today" {
				if got := take(l, lim, 10, noon.Add(-day)); got != 0 {
					t.Errorf("%d passed on the restored day before, want 0", got)
				}
			}
			if got := take(l, lim, 10, noon.Add(day)); got != 10 {
				t.Errorf("%d passed on the next day, want 10", got)
			}
		})
	}
}

// Of two counts of one day the one that is restored last holds, whatever day of
// the two it is.
func TestRestoreAgain(t *testing.T) {
	lim, today := limits(60, 60, 100), apikey.DayOf(noon)
	l := ratelimit.New()
	for charged := range uint64(3) {
		l.Restore(apikey.Usage{ID: keyA, Day: today, Charged: 10 + charged})
		l.Restore(apikey.Usage{ID: keyA, Day: today - 1, Charged: 20 + charged})
		l.Restore(apikey.Usage{ID: keyA, Day: today - 2, Charged: 30 + charged})
	}
	for back, want := range []uint32{87, 77} {
		if got := l.Peek(keyA, lim, 1, noon.Add(-time.Duration(back)*day)).Day.Remaining; got != want {
			t.Errorf("%d days ago, %d are left; want %d", back, got, want)
		}
	}
}

// A key that is only denied has been used when it was.
func TestDeniedIsUsed(t *testing.T) {
	l := ratelimit.New()
	l.Deny(keyA, limits(60, 60, 100), noon.Add(90*time.Second))
	want := apikey.Usage{ID: keyA, Day: apikey.DayOf(noon), Denied: 1, LastUsed: noon.Add(minute).Unix()}
	if got := drain(l); len(got) != 1 || got[0] != want {
		t.Errorf("drained %+v; want %+v", got, want)
	}
}

// A key that is used all the time between two drains takes no more memory.
func TestUseTakesNoMemory(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 100)
	take(l, lim, 1, noon)
	before := heap()
	take(l, lim, 200_000, noon)
	if more := heap() - before; more > 500_000 {
		t.Errorf("200,000 requests of a key took %d bytes", more)
	}
	runtime.KeepAlive(l)
}

func TestRestoredUntouchedIsSwept(t *testing.T) {
	l := ratelimit.New()
	l.Restore(apikey.Usage{ID: keyA, Day: apikey.DayOf(noon), Charged: 1, Allowed: 1})
	l.Sweep(noon)
	if lenKeys(l) != 1 {
		t.Fatal("a restored count of today was swept")
	}
	l.Sweep(noon.Add(day))
	if lenKeys(l) != 0 {
		t.Error("a restored count of yesterday was not swept")
	}
}

func TestSweep(t *testing.T) {
	lim := limits(1, 1, 100)
	midnight := noon.Add(12 * hour)
	late := midnight.Add(-10 * time.Second)
	use := func(l *ratelimit.Limiter) { l.Take(keyA, lim, 1, late) }
	tests := []struct {
		name  string
		do    func(*ratelimit.Limiter)
		drain bool
		at    time.Time
		want  int
	}{
		{"today", use, true, midnight.Add(-1), 1},
		{"bucket not full", use, true, midnight.Add(49 * time.Second), 1},
		{"unsaved", use, false, midnight.Add(hour), 1},
		{"idle", use, true, midnight.Add(50 * time.Second), 0},
		{"denied today", func(l *ratelimit.Limiter) { l.Deny(keyA, lim, late) }, true, late, 1},
		{"denied yesterday", func(l *ratelimit.Limiter) { l.Deny(keyA, lim, late) }, true, midnight, 0},
		{"used yesterday and today", func(l *ratelimit.Limiter) { use(l); l.Deny(keyA, lim, midnight) }, true, midnight.Add(hour), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			tt.do(l)
			if tt.drain {
				drain(l)
			}
			l.Sweep(tt.at)
			if got := lenKeys(l); got != tt.want {
				t.Errorf("%d keys left, want %d", got, tt.want)
			}
		})
	}
}

// What a key did on a day outlives a sweep of that day, and not one of the
// next, in whatever numbers it was allowed, limited and denied.
func TestSweepKeepsTheDayOfAnyUse(t *testing.T) {
	lim := limits(60, 60, 1000)
	for n := 1; n < 7*7*7*7; n++ {
		allowed, limited, denied, cost := n%7, n/7%7, n/49%7, 1+n/343
		if allowed+limited+denied == 0 {
			continue
		}
		l := ratelimit.New()
		for range allowed {
			l.Take(keyA, lim, cost, noon)
		}
		for range limited {
			l.Take(keyA, lim, 1000, noon)
		}
		for range denied {
			l.Deny(keyA, lim, noon)
		}
		drain(l)
		l.Sweep(noon.Add(hour))
		if left, want := l.Peek(keyA, lim, 1, noon.Add(hour)).Day.Remaining, uint32(1000-allowed*cost-1); left != want || lenKeys(l) != 1 {
			t.Fatalf("after %d allowed for %d, %d limited and %d denied, a sweep leaves %d keys and %d of the quota; want %d", allowed, cost, limited, denied, lenKeys(l), left, want)
		}
		l.Sweep(noon.Add(12 * hour))
		if lenKeys(l) != 0 {
			t.Fatalf("after %d allowed for %d, %d limited and %d denied, the key stays the next day", allowed, cost, limited, denied)
		}
	}
}

// Neither the keys nor the maps that held them stay in memory.
func TestSweepReturnsMemory(t *testing.T) {
	const keys = 50_000
	l, lim := ratelimit.New(), limits(60, 60, 100)
	before := heap()
	for i := range keys {
		l.Take(key(i), lim, 1, noon)
	}
	drain(l)
	used := heap() - before
	l.Sweep(noon.Add(day))
	left := heap() - before
	if used < 100*keys || left > 5*keys {
		t.Errorf("%d keys took %d bytes, and %d after they were swept", keys, used, left)
	}
	runtime.KeepAlive(l)
}

// What a deleted key did is forgotten, and what it was charged is not, until its
// day is over.
func TestForget(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 60)
	take(l, lim, 50, noon)
	l.Deny(keyA, lim, noon)
	l.Deny(keyB, lim, noon)
	l.Forget(keyA)
	l.Forget(keyB)
	l.Forget(key(1)) // never seen
	if got := drain(l); len(got) != 1 || got[0] != (apikey.Usage{ID: keyA, Day: apikey.DayOf(noon), Charged: 50}) {
		t.Errorf("a forgotten key is saved as %+v", got)
	}
	l.Forget(keyA)
	if got := drain(l); len(got) != 0 {
		t.Errorf("what is saved is saved again: %+v", got)
	}
	if got := take(l, lim, 60, noon); got != 10 {
		t.Errorf("%d passed with a key in its place, want the 10 that were left", got)
	}
	l.Forget(keyA)
	drain(l)
	if l.Sweep(noon); lenKeys(l) != 1 {
		t.Errorf("%d keys are left, want the one that was charged", lenKeys(l))
	}
	l.Deny(keyA, lim, noon.Add(day))
	l.Forget(keyA)
	if got := drain(l); len(got) != 0 {
		t.Errorf("on the next day, %+v is saved", got)
	}
	if l.Sweep(noon.Add(2 * day)); lenKeys(l) != 0 {
		t.Errorf("%d keys are left on the next day", lenKeys(l))
	}
}
