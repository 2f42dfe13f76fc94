package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/socialpatra/keygate/apikey"
)

// bucket is the minute bucket of a key or workspace. The zero bucket is full,
// whatever its size.
type bucket struct {
	perMinute, burst uint32 // the limits set in limiter
	limiter          rate.Limiter
}

// nanosecond is the resolution of the clock, in seconds. rate.Limiter counts in
// floating point. It grants a token that is due within less than a nanosecond,
// and remembers it as owed, so that early tokens do not add up. Every comparison
// in this file allows for half a nanosecond: enough for rounding errors, and
// never more than the limiter then grants.
const nanosecond = 1e-9

func perSecond(lim apikey.Limits) float64 { return float64(lim.PerMinute) / 60 }

// set changes the limits, effective at an instant.
func (b *bucket) set(lim apikey.Limits, at time.Time) {
	if b.perMinute == 0 {
		at = time.Time{} // ages before any instant of a clock, so the bucket is full by now
	}
	b.limiter.SetLimitAt(at, rate.Limit(perSecond(lim)))
	b.limiter.SetBurstAt(at, int(lim.Burst))
	b.perMinute, b.burst = lim.PerMinute, lim.Burst
}

// tokens returns how many tokens the bucket would hold if lim were its limits.
func (b *bucket) tokens(at time.Time, lim apikey.Limits) float64 {
	if b.perMinute == 0 {
		return float64(lim.Burst)
	}
	return min(b.limiter.TokensAt(at), float64(lim.Burst))
}

// charge takes cost tokens. The caller has made sure by whole that they are
// there.
func (b *bucket) charge(at time.Time, cost int) { b.limiter.AllowN(at, cost) }

// full reports whether the bucket is full, so that it need not be remembered.
func (b *bucket) full(at time.Time) bool {
	return b.limiter.TokensAt(at) >= float64(b.burst)
}

// whole returns how many requests of cost 1 the tokens pay for.
func whole(tokens float64, lim apikey.Limits) uint32 {
	return uint32(max(0, math.Floor(tokens+perSecond(lim)*nanosecond/2)))
}

// secondsUntil returns how long the bucket refills from tokens to want, in whole
// seconds, rounded up, at least 1.
func secondsUntil(want, tokens float64, lim apikey.Limits) int {
	return max(1, int(math.Ceil((want-tokens)/perSecond(lim)-nanosecond/2)))
}

// refillSince sets up b, which must be new, as a bucket with the limits lim that
// was last empty the given number of seconds before at.
func (b *bucket) refillSince(seconds float64, at time.Time, lim apikey.Limits) {
	// Rounded down, so that the bucket never holds more than it should.
	empty := at.Add(-time.Duration(math.Floor(seconds * float64(time.Second))))
	b.set(lim, empty)
	b.limiter.AllowN(empty, int(lim.Burst))
}
