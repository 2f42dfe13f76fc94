package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/socialpatra/keygate/apikey"
)

// TestBucketIsARateLimiter does at random what is done with a bucket, and does the
// same with a rate.Limiter. Both must hold the same tokens, to the last bit, and
// grant the same.
func TestBucketIsARateLimiter(t *testing.T) {
	limits := []apikey.Limits{
		{PerMinute: 60, Burst: 60},
		{PerMinute: 7, Burst: 3},
		{PerMinute: 1, Burst: 1},
		{PerMinute: 11, Burst: 5},
		{PerMinute: 999_983, Burst: 999_983},
		{PerMinute: 1_000_000, Burst: 1000},
		{PerMinute: 59, Burst: 1},
		{PerMinute: 2_000_000_000, Burst: 2_000_000_000},
	}
	steps := []time.Duration{0, 1, 999, 60_000, 8571428571, 8571428572, time.Second, 59 * time.Second, time.Minute, 1000 * time.Hour}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var b bucket
		var want rate.Limiter
		var now time.Duration
		at := func() time.Time { return time.Unix(0, int64(now)) }
		setWant := func(lim apikey.Limits, at time.Time) {
			want.SetLimitAt(at, rate.Limit(float64(lim.PerMinute)/60))
			want.SetBurstAt(at, int(lim.Burst))
		}
		lim := limits[rng.IntN(len(limits))]
		if rng.IntN(2) == 0 { // as after a restart
			age := rng.Float64() * 60
			if rng.IntN(4) == 0 {
				age = -nanosecond // a token is owed
			}
			b = emptyBefore(now, age, lim)
			empty := at().Add(-time.Duration(age * float64(time.Second)))
			setWant(lim, time.Time{})
			want.AllowN(empty, int(lim.Burst))
		} else {
			b.set(lim, now)
			setWant(lim, time.Time{}) // and has filled since
		}
		granted, refused := 0, 0
		for step := range 2000 {
			now += steps[rng.IntN(len(steps))] * time.Duration(rng.IntN(3)) / 2
			if rng.IntN(100) == 0 {
				lim = limits[rng.IntN(len(limits))]
				b.set(lim, now)
				setWant(lim, at())
			}
			if got, want := b.at(now), want.TokensAt(at()); got != want {
				t.Fatalf("seed %d, step %d: %v tokens; want %v", seed, step, got, want)
			}
			cost := []int{1, 1, 1, 2, 5, 1000}[rng.IntN(6)]
			grants := cost <= int(whole(b.tokens(now, lim), lim))
			if rng.IntN(20) == 0 && grants { // as much as it ever holds together
				cost = int(whole(b.tokens(now, lim), lim))
			}
			if !grants {
				refused++
				if now += steps[rng.IntN(len(steps))]; rng.IntN(2) == 0 && cost <= int(lim.Burst) { // as long as a client is told to wait
					now += time.Duration(secondsUntil(float64(cost), b.at(now), lim)) * time.Second
					if grants = cost <= int(whole(b.tokens(now, lim), lim)); !grants {
						t.Fatalf("seed %d, step %d: %v tokens of %+v do not pay %d after the wait", seed, step, b.at(now), lim, cost)
					}
				}
			}
			if grants {
				granted++
				b.charge(now, cost)
				if !want.AllowN(at(), cost) {
					t.Fatalf("seed %d, step %d: grants %d of %+v, which a rate.Limiter does not", seed, step, cost, lim)
				}
			}
		}
		if granted < 100 || refused < 50 {
			t.Errorf("seed %d: %d granted and %d refused do not say much", seed, granted, refused)
		}
	}
}
