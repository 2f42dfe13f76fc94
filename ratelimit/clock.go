package ratelimit

import "time"

// clock turns the times that callers pass into one that never runs back, and
// that counts no stretch of time twice for a clock that is set back and
// forward again. The package comment states the rule.
type clock struct {
	running bool
	time    time.Duration // how much time has passed, as far as it counts
	last    time.Duration // the caller's time that time belongs to
	high    time.Duration // the caller's latest time ever
}

// hold is how far behind the latest a time may be and still be taken for that
// one: calls that overtake each other, or a clock set back by little. In so
// much time every bucket fills, so that nobody waits longer than for that.
const hold = time.Minute

// next returns the clock advanced to the caller's time now.
func (c clock) next(now time.Duration) clock {
	switch {
	case !c.running:
		c = clock{running: true, last: now, high: now}
	case now >= c.high:
		// From last to high is either nothing or had passed once before.
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

// instant returns the clock's time in the form that rate.Limiter takes.
func (c clock) instant() time.Time { return time.Unix(0, int64(c.time)).UTC() }
