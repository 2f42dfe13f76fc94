package ratelimit_test

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
	years  = 365 * day
)

// step is a clock set to an instant since noon, and how many of many requests
// then pass.
type step struct {
	at   time.Duration
	want int
}

func run(t *testing.T, l *ratelimit.Limiter, lim ratelimit.Caps, steps []step) {
	t.Helper()
	for i, s := range steps {
		if got := take(l, lim, 500, noon.Add(s.at)); got != s.want {
			t.Fatalf("step %d, at noon %+v: %d passed, want %d", i, s.at, got, s.want)
		}
	}
}

func TestBucketOverTime(t *testing.T) {
	sec := time.Second
	tests := []struct {
		name  string
		lim   ratelimit.Caps
		steps []step
	}{
		{"refill is one a second", limits(60, 60, 1e9), []step{{0, 60}, {sec - 1, 0}, {sec, 1}, {2*sec - 1, 0}, {9 * sec, 8}}},
		{"never beyond the burst", limits(60, 10, 1e9), []step{{0, 10}, {hour, 10}, {years, 10}, {9 * years, 10}}},
		{"seven a minute", limits(7, 7, 1e9), []step{{0, 7}, {8571428570, 0}, {8571428572, 1}, {17142857141, 0}, {17142857143, 1}, {60 * sec, 5}, {120 * sec, 7}}},
		{"eleven a minute, one at a time", limits(11, 1, 1e9), []step{{0, 1}, {5 * sec, 0}, {6 * sec, 1}, {60 * sec, 1}}},
		// A token is there when it is due within half a nanosecond: after
		// 8,571,428,571.43 and after 5,454,545,454.55.
		{"seven a minute, to the nanosecond", limits(7, 7, 1e9), []step{{0, 7}, {8571428570, 0}, {8571428571, 1}}},
		{"eleven a minute, to the nanosecond", limits(11, 11, 1e9), []step{{0, 11}, {5454545454, 0}, {5454545455, 1}}},
		{"a million a minute", limits(1e6, 100, 1e9), []step{{0, 100}, {60_000 - 2, 0}, {60_000, 1}, {120_000, 1}, {sec, 100}}},

		{"back a little and forward", limits(60, 60, 1e9), []step{{0, 60}, {-10 * sec, 0}, {0, 0}, {-30 * sec, 0}, {sec, 1}, {-sec, 0}, {sec, 0}, {2 * sec, 1}}},
		{"back a little holds the refill", limits(60, 60, 1e9), []step{{0, 60}, {-minute, 0}, {-30 * sec, 0}, {5 * sec, 5}}},
		{"back far: refills from there", limits(60, 60, 1e9), []step{{0, 60}, {-hour, 0}, {-hour + 5*sec, 5}}},
		{"back far and forward again", limits(60, 60, 1e9), []step{{0, 60}, {-hour, 0}, {0, 0}, {-5 * years, 0}, {0, 0}, {3 * sec, 3}}},
		{"forward far and back", limits(60, 60, 1e9), []step{{0, 60}, {10 * years, 60}, {sec, 0}, {3 * sec, 2}, {10 * years, 0}, {10*years + sec, 1}}},
		{"forward and back, again and again", limits(60, 60, 1e9), []step{{0, 60}, {hour, 60}, {0, 0}, {hour, 0}, {0, 0}, {hour + sec, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { run(t, ratelimit.New(), tt.lim, tt.steps) })
	}
}

// RetryAfter is rounded up, but for half a nanosecond, in which the token counts
// as there.
func TestRetryAfterToTheNanosecond(t *testing.T) {
	for _, tt := range []struct {
		perMinute uint32
		at        time.Duration
		want      int
	}{
		{30, time.Second - 1, 2},
		{30, time.Second, 1},
		{30, time.Second + 1, 1},
		{7, 571_428_570, 9},
		{7, 571_428_571, 8},
		{7, 571_428_572, 8}, // 8,571,428,571.43
		{11, 454_545_454, 6},
		{11, 454_545_455, 5}, // 5,454,545,454.55
	} {
		l, lim := ratelimit.New(), limits(tt.perMinute, tt.perMinute, 1e9)
		take(l, lim, int(tt.perMinute), noon)
		if r := l.Peek(keyA, lim, 1, noon.Add(tt.at)); r.RetryAfter != tt.want || r.Minute.Reset != tt.want {
			t.Errorf("%d a minute, after %s: RetryAfter %d, Reset %d; want %d", tt.perMinute, tt.at, r.RetryAfter, r.Minute.Reset, tt.want)
		}
	}
}

func TestQuotaOverTime(t *testing.T) {
	midnight := 12 * hour
	lim := limits(1000, 1000, 100) // the bucket is never in the way: every step is far from the last
	tests := []struct {
		name  string
		steps []step
	}{
		{"once a day", []step{{0, 100}, {hour, 0}, {midnight - 1, 0}, {midnight, 100}, {midnight + day - 1, 0}, {midnight + day, 100}}},
		{"days without use", []step{{0, 100}, {9 * day, 100}, {9*day + hour, 0}}},
		{"back over midnight and forward", []step{{0, 100}, {midnight, 100}, {midnight - 1, 0}, {midnight, 0}, {midnight + day, 100}}},
		{"back over midnight to a day without use", []step{{midnight, 100}, {midnight - 1, 0}, {midnight, 0}, {midnight + day, 100}}},
		{"back by days and forward", []step{{0, 100}, {-7 * day, 0}, {0, 0}, {day, 100}}},
		{"back for good", []step{{0, 100}, {-years, 0}, {-years + 11*hour, 0}, {-years + midnight, 100}, {-years + midnight + hour, 0}}},
		{"forward and back", []step{{0, 100}, {10 * years, 100}, {hour, 0}, {midnight, 100}, {midnight + hour, 0}, {midnight + day, 100}}},
		{"forward over two days and back", []step{{0, 100}, {10 * years, 100}, {10*years + day, 100}, {hour, 0}, {midnight, 100}}},
		{"first used in the future", []step{{10 * years, 100}, {0, 0}, {midnight, 100}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			run(t, l, lim, tt.steps)
		})
		t.Run(tt.name+", swept", func(t *testing.T) {
			l := ratelimit.New()
			for i, s := range tt.steps {
				drain(l)
				l.Sweep(noon.Add(s.at))
				if got := take(l, lim, 500, noon.Add(s.at)); got > s.want {
					t.Fatalf("step %d, at noon %+v: %d passed, want at most %d", i, s.at, got, s.want)
				}
			}
		})
	}
}

// What a sweep dropped is not granted again when the clock is set back.
func TestSweptDayStaysClosed(t *testing.T) {
	lim := limits(1000, 1000, 100)
	l := ratelimit.New()
	run(t, l, lim, []step{{0, 100}})
	drain(l)
	l.Sweep(noon.Add(10 * years))
	if n := lenKeys(l); n != 0 {
		t.Fatalf("%d keys left after the sweep, want 0", n)
	}
	run(t, l, lim, []step{{hour, 100}, {11 * hour, 0}, {12 * hour, 0}, {35 * hour, 0}, {36 * hour, 100}})
	for _, u := range drain(l) {
		if u.Day == apikey.DayOf(noon) {
			t.Errorf("the swept day's total would be overwritten with %+v", u)
		}
	}
}

// A sweep by a clock that was wrong for days holds nobody up for longer than
// one day's quota.
func TestSweptFutureIsForgotten(t *testing.T) {
	lim := limits(1000, 1000, 100)
	l := ratelimit.New()
	run(t, l, lim, []step{{10 * years, 100}})
	drain(l)
	l.Sweep(noon.Add(10*years + day))
	l.Sweep(noon)
	run(t, l, lim, []step{{0, 100}, {12 * hour, 0}, {36 * hour, 100}, {37 * hour, 0}})
	if n := lenKeys(l); n != 1 {
		t.Fatalf("%d keys, want 1", n)
	}
	var labels []apikey.Day
	for _, u := range drain(l) {
		labels = append(labels, u.Day-apikey.DayOf(noon))
	}
	for _, d := range labels {
		if d > 2 {
			t.Errorf("use was counted for %d days ahead", d)
		}
	}
}

func TestResetAfterTheClockWasSetBack(t *testing.T) {
	lim := limits(1000, 1000, 100)
	l := ratelimit.New()
	run(t, l, lim, []step{{12 * hour, 100}})
	got := l.Take(keyA, lim, 1, noon.Add(11*hour))
	want := int((25 * hour).Seconds())
	if got.Day.Reset != want || got.RetryAfter != want {
		t.Errorf("Reset %d, RetryAfter %d; want %d, the midnight after the day that is exhausted", got.Day.Reset, got.RetryAfter, want)
	}
	run(t, l, lim, []step{{36*hour - time.Second, 0}, {36 * hour, 100}})
}
