package ratelimit

import (
	"math"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// bucket is the minute bucket of a key or workspace. The zero bucket is full,
// whatever its size. It counts exactly as a [golang.org/x/time/rate.Limiter] does,
// in a quarter of the memory and without a pointer: a bucket is part of what a
// request waits for, and of what the garbage collector would scan. Instants are
// those of the shard's clock.
type bucket struct {
	perMinute, burst uint32  // 0 and 0: the zero bucket
	held             float64 // tokens at the instant last; below 0: owed, see nanosecond
	last             time.Duration
}

// nanosecond is the resolution of the clock, in seconds. Tokens are counted in
// floating point. One that is due within less than a nanosecond is granted and
// owed, so that early tokens do not add up. Every comparison in this file allows
// for half a nanosecond, which is enough for rounding errors.
const nanosecond = 1e-9

func perSecond(lim apikey.Limits) float64 { return float64(lim.PerMinute) / 60 }

// set changes the limits, effective at an instant.
func (b *bucket) set(lim apikey.Limits, at time.Duration) {
	if b.perMinute == 0 {
		b.held = float64(lim.Burst)
	} else {
		b.held = b.at(at)
	}
	b.last, b.perMinute, b.burst = at, lim.PerMinute, lim.Burst
}

// at returns how many tokens the bucket holds. What a smaller burst leaves no room
// for is lost.
func (b *bucket) at(at time.Duration) float64 {
	refill := max(at-b.last, 0).Seconds() * perSecond(apikey.Limits{PerMinute: b.perMinute})
	return min(b.held+refill, float64(b.burst))
}

// tokens returns how many tokens the bucket would hold if lim were its limits.
func (b *bucket) tokens(at time.Duration, lim apikey.Limits) float64 {
	if b.perMinute == 0 {
		return float64(lim.Burst)
	}
	return min(b.at(at), float64(lim.Burst))
}

// charge takes cost tokens. The caller has made sure by whole that they are
// there.
func (b *bucket) charge(at time.Duration, cost int) {
	b.held, b.last = b.at(at)-float64(cost), at
}

// full reports whether the bucket is full, so that it need not be remembered.
func (b *bucket) full(at time.Duration) bool { return b.at(at) >= float64(b.burst) }

// whole returns how many requests of cost 1 the tokens pay for.
func whole(tokens float64, lim apikey.Limits) uint32 {
	return uint32(max(0, math.Floor(tokens+perSecond(lim)*nanosecond/2)))
}

// secondsUntil returns how long the bucket refills from tokens to want, in whole
// seconds, rounded up, at least 1.
func secondsUntil(want, tokens float64, lim apikey.Limits) int {
	return max(1, int(math.Ceil((want-tokens)/perSecond(lim)-nanosecond/2)))
}

// emptyBefore returns a bucket with the limits lim that was last empty the given
// number of seconds before at.
func emptyBefore(at time.Duration, seconds float64, lim apikey.Limits) bucket {
	// Rounded down, so that the bucket never holds more than it should.
	since := time.Duration(math.Floor(seconds * float64(time.Second)))
	return bucket{perMinute: lim.PerMinute, burst: lim.Burst, last: at - since}
}
