package ratelimit

import "time"

// clock turns the times that callers pass into one that never runs back. If a
// clock is set back and then forward again, no stretch of time counts twice. The
// package comment states the rule.
type clock struct {
	running bool
	time    time.Duration // the time that has passed and counts; buckets know no other
	last    time.Duration // the caller's time that corresponds to time
	high    time.Duration // the latest time any caller passed
}

// hold is how far a time may lie behind the latest one and still be treated as
// equal to it. It covers calls that overtake each other, and a clock set back by
// little. The refill thus stops for at most this long, which is also the longest
// that any bucket takes to fill.
const hold = time.Minute

// next returns the clock advanced to the caller's time now.
func (c clock) next(now time.Duration) clock {
	switch {
	case !c.running:
		c = clock{running: true, last: now, high: now}
	case now >= c.high:
		// The stretch from last to high is either empty or has counted already.
		c.time += now - c.high
		c.last, c.high = now, now
	case now > c.last:
		c.time += now - c.last
		c.last = now
	case now < c.last-hold:
		c.last = now
	}
	return c
}
