package ratelimit_test

import (
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// model is the limits of one key or workspace in exact integers, following the
// rules of the package comment as plainly as they are written there.
type model struct {
	lim apikey.Limits // 0: not limited

	bucket     apikey.Limits // what the bucket runs with
	tokens     int64         // in unit tokens
	late       int64         // by how much fewer the bucket may hold: each restart rounds down
	rough      int64         // how far floating point may be off: bits lost when a bucket was large
	full       bool          // never used, or forgotten
	either     bool          // full, and so perhaps forgotten: it was at the edge
	last, high time.Time

	use        map[apikey.Day]apikey.Usage // of all days
	unsaved    map[apikey.Day]apikey.Usage // changed since the last drain
	saved      map[apikey.Day]apikey.Usage // what the store has
	closed     apikey.Day                  // before the start
	counted    apikey.Day                  // the day that requests count for
	before     apikey.Day                  // the other one remembered
	shown      apikey.Day
	remembered int // how many of the two there are
}

// unit is how many parts a token has, so that in a nanosecond perMinute of
// them refill.
const unit = int64(time.Minute)

func newModel() *model {
	return &model{
		full: true,
		use:  map[apikey.Day]apikey.Usage{}, unsaved: map[apikey.Day]apikey.Usage{}, saved: map[apikey.Day]apikey.Usage{},
	}
}

func (m *model) tick(now time.Time) {
	var passed time.Duration
	switch {
	case m.high.IsZero():
		m.last, m.high = now, now
	case !now.Before(m.high):
		passed = now.Sub(m.high)
		m.last, m.high = now, now
	case now.After(m.last):
		passed = now.Sub(m.last)
		m.last = now
	case m.last.Sub(now) > time.Minute:
		m.last = now
	}
	m.refill(passed)
}

func (m *model) refill(passed time.Duration) {
	m.tokens += int64(min(passed, time.Minute)) * int64(m.bucket.PerMinute)
	m.clamp(m.bucket.Burst)
}

// clamp holds the tokens to a bucket's size. One that is full for certain has
// forgotten how it was rounded.
func (m *model) clamp(burst uint32) {
	size := int64(burst) * unit
	least := min(m.tokens-m.late, size)
	m.tokens = min(m.tokens, size)
	m.late = m.tokens - least
}

// advance moves to an instant and to limits.
func (m *model) advance(lim apikey.Limits, now time.Time) {
	m.tick(now)
	m.lim = lim
	if lim.Burst != 0 {
		if m.full {
			m.tokens, m.late, m.full = int64(lim.Burst)*unit, 0, false
		}
		if m.either && lim.Burst > m.bucket.Burst {
			grown := int64(lim.Burst) * unit
			m.tokens, m.late = grown, grown-(m.tokens-m.late)
		}
		m.either = false
		m.clamp(lim.Burst)
		if m.bucket != lim {
			m.rough = max(m.rough, 1+int64(m.bucket.Burst)/10_000)
		}
		m.bucket = lim
	}
	day := apikey.DayOf(now)
	switch {
	case m.remembered == 0:
		m.counted, m.remembered = max(day, m.closed+1), 1
		m.use[m.counted] = apikey.Usage{Day: m.counted}
	case day == m.shown || day == m.counted:
	case m.remembered == 2 && day == m.before:
		m.counted, m.before = m.before, m.counted
	case day > m.shown:
		m.counted, m.before, m.remembered = day, m.counted, 2
		m.use[day] = apikey.Usage{Day: day}
	}
	m.shown = day
}

// count changes the use on the day that requests count for.
func (m *model) count(change func(*apikey.Usage)) {
	u := m.use[m.counted]
	change(&u)
	m.use[m.counted] = u
	larger(m.unsaved, u)
}

// larger keeps the larger total of a day, as a store does.
func larger(totals map[apikey.Day]apikey.Usage, u apikey.Usage) {
	if total(u) >= total(totals[u.Day]) {
		totals[u.Day] = u
	}
}

func total(u apikey.Usage) uint64 { return u.Charged + u.Allowed + u.Limited + u.Denied }

func (m *model) drained() {
	for _, u := range m.unsaved {
		larger(m.saved, u)
	}
	clear(m.unsaved)
}

// swept mirrors what Sweep may drop when the clock only goes forward and all is
// saved.
func (m *model) swept(now time.Time) {
	if u := m.use[m.counted]; m.remembered == 0 || m.counted >= apikey.DayOf(now) && total(u) != 0 {
		return
	}
	m.tick(now)
	m.either = m.either || m.maybeFull()
	if m.full || m.either {
		m.remembered = 0
	}
}

// early is by how much more the bucket may hold: what refills in a nanosecond.
func (m *model) early() int64 { return int64(m.bucket.PerMinute) + m.rough }

func (m *model) maybeFull() bool { return m.tokens+m.early() >= int64(m.bucket.Burst)*unit }

// stopped checks what was saved of the bucket at the stop, nil if nothing.
func (m *model) stopped(b *apikey.Bucket, now time.Time) error {
	m.tick(now)
	size := int64(m.bucket.Burst) * unit
	if b == nil {
		if !m.full && !m.maybeFull() {
			return fmt.Errorf("a bucket with %d of %d units was not saved", m.tokens, size)
		}
		m.full = true
		return nil
	}
	got := int64(b.Tokens * float64(unit))
	if m.full || got > m.tokens+m.early() || got < m.tokens-m.late-m.early() {
		return fmt.Errorf("a bucket was saved with %d units, want %d (full: %t)", got, m.tokens, m.full)
	}
	if !b.At.Equal(m.high) || b.PerMinute != m.bucket.PerMinute || b.Burst != m.bucket.Burst {
		return fmt.Errorf("a bucket of %+v at %s was saved as %+v", m.bucket, m.high, *b)
	}
	return nil
}

// started is a restart with what the store has, and with the bucket if it was
// stopped before.
func (m *model) started(stopped bool, now time.Time) {
	high := m.high
	m.last, m.high, m.either = now, now, false
	if !stopped {
		m.full = true
	}
	if !m.full {
		if now.Before(high) {
			m.high = high
		}
		m.late += 2 * int64(m.bucket.PerMinute)
		m.refill(max(now.Sub(high), 0))
		m.either = m.maybeFull()
	}
	m.remembered, m.closed = 0, apikey.DayOf(now)-1
	clear(m.unsaved)
	clear(m.use)
	for d, u := range m.saved {
		if d < apikey.DayOf(now) {
			continue
		}
		m.use[d] = u
		switch {
		case m.remembered == 0:
			m.counted, m.shown, m.remembered = d, d, 1
		case d > m.counted:
			m.counted, m.before, m.shown, m.remembered = d, m.counted, d, 2
		case m.remembered == 1 || d > m.before:
			m.before, m.remembered = d, 2
		}
	}
}

// check compares an answer with the model, and follows it where the limiter
// may decide either way: a token that is due within the same nanosecond.
func (m *model) check(minuteExhausted, dayExhausted bool, cost int) error {
	u := m.use[m.counted]
	need := int64(cost) * unit
	switch {
	case m.lim.PerMinute == 0 && minuteExhausted:
		return fmt.Errorf("minute exhausted, but it is not limited")
	case m.lim.PerMinute != 0 && m.tokens-m.late-m.rough >= need && minuteExhausted:
		return fmt.Errorf("minute exhausted, but it has %d of %d units", m.tokens, need)
	case m.lim.PerMinute != 0 && m.tokens+m.early() < need && !minuteExhausted:
		return fmt.Errorf("minute not exhausted, but it has only %d of %d units", m.tokens, need)
	case dayExhausted != (m.lim.PerDay != 0 && u.Charged+uint64(cost) > uint64(m.lim.PerDay)):
		return fmt.Errorf("day exhausted %t after %d of %d", dayExhausted, u.Charged, m.lim.PerDay)
	}
	return nil
}

func (m *model) charge(cost int) {
	if m.lim.PerMinute != 0 {
		m.tokens -= int64(cost) * unit
	}
	m.count(func(u *apikey.Usage) { u.Charged += uint64(cost) })
}

func (m *model) checkBalance(minute, day ratelimit.Balance) error {
	if m.lim.PerMinute == 0 && minute != (ratelimit.Balance{}) || m.lim.PerDay == 0 && day != (ratelimit.Balance{}) {
		return fmt.Errorf("minute %+v, day %+v where there is no limit", minute, day)
	}
	if m.lim.PerMinute != 0 {
		least, most := max(m.tokens-m.late-m.rough, 0)/unit, max(m.tokens+m.early(), 0)/unit
		if got := int64(minute.Remaining); got < least || got > most {
			return fmt.Errorf("minute has %d remaining, want %d", got, least)
		}
		if (minute.Reset == 0) != (minute.Remaining == m.lim.Burst) {
			return fmt.Errorf("minute resets in %d with %d of %d remaining", minute.Reset, minute.Remaining, m.lim.Burst)
		}
	}
	if m.lim.PerDay != 0 {
		charged := m.use[m.counted].Charged
		if got, want := uint64(day.Remaining), uint64(m.lim.PerDay)-min(charged, uint64(m.lim.PerDay)); got != want {
			return fmt.Errorf("day has %d remaining, want %d", got, want)
		}
	}
	return nil
}
