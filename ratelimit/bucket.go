package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/socialpatra/keygate/apikey"
)

// bucket is a key's minute bucket. The zero bucket is full, whatever its size.
type bucket struct {
	perMinute, burst uint32 // what limiter is set to
	limiter          rate.Limiter
}

// nanosecond is the resolution of the clock in seconds. rate.Limiter counts in
// floating point and takes a token as there when it is due within less than
// this; what it hands out so early it remembers as owed, so that nothing adds
// up. Every comparison here allows for half of it: enough for rounding, and
// never more than what the limiter then grants.
const nanosecond = 1e-9

func perSecond(lim apikey.Limits) float64 { return float64(lim.PerMinute) / 60 }

// set changes the limits at an instant.
func (b *bucket) set(lim apikey.Limits, at time.Time) {
	if b.perMinute == 0 {
		at = time.Time{} // ages before any instant of a clock: has refilled since
	}
	b.limiter.SetLimitAt(at, rate.Limit(perSecond(lim)))
	b.limiter.SetBurstAt(at, int(lim.Burst))
	b.perMinute, b.burst = lim.PerMinute, lim.Burst
}

// tokens returns what the bucket would hold with lim as its limits.
func (b *bucket) tokens(at time.Time, lim apikey.Limits) float64 {
	if b.perMinute == 0 {
		return float64(lim.Burst)
	}
	return min(b.limiter.TokensAt(at), float64(lim.Burst))
}

// charge takes tokens that are there according to whole.
func (b *bucket) charge(at time.Time, cost int) { b.limiter.AllowN(at, cost) }

// full reports whether the bucket has nothing to remember.
func (b *bucket) full(at time.Time) bool {
	return b.limiter.TokensAt(at) >= float64(b.burst)
}

// whole returns how many requests of cost 1 the tokens are good for.
func whole(tokens float64, lim apikey.Limits) uint32 {
	return uint32(max(0, math.Floor(tokens+perSecond(lim)*nanosecond/2)))
}

// secondsUntil returns in how many whole seconds, at least 1, the tokens will
// have become want.
func secondsUntil(want, tokens float64, lim apikey.Limits) int {
	return max(1, int(math.Ceil((want-tokens)/perSecond(lim)-nanosecond/2)))
}

// refillSince makes b, which must be new, a bucket with the limits lim that was
// empty for the last time so many seconds before an instant.
func (b *bucket) refillSince(seconds float64, at time.Time, lim apikey.Limits) {
	// Rounded down, so as never to hold more.
	empty := at.Add(-time.Duration(math.Floor(seconds * float64(time.Second))))
	b.set(lim, empty)
	b.limiter.AllowN(empty, int(lim.Burst))
}
