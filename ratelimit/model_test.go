package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// model is one key's limits in exact integers, following the rules of the
// package comment as plainly as they are written there.
type model struct {
	lim apikey.Limits

	tokens     int64 // in unit tokens
	last, high time.Time
	full       bool // never used, or swept

	use        map[apikey.Day]*apikey.Usage // of all days
	counted    apikey.Day                   // the day that requests count for
	before     apikey.Day                   // the other one remembered
	shown      apikey.Day
	remembered int // how many of the two there are
}

// unit is how many parts a token has, so that in a nanosecond perMinute of
// them refill.
const unit = int64(time.Minute)

func (m *model) advance(lim apikey.Limits, now time.Time) {
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
	if m.full {
		m.tokens, m.full = int64(lim.Burst)*unit, false
	} else {
		m.tokens += int64(min(passed, time.Minute)) * int64(m.lim.PerMinute)
		m.tokens = min(m.tokens, int64(m.lim.Burst)*unit, int64(lim.Burst)*unit)
	}
	m.lim = lim

	day := apikey.DayOf(now)
	switch {
	case m.remembered == 0:
		m.counted, m.remembered = day, 1
		m.use[day] = &apikey.Usage{Day: day}
	case day == m.shown || day == m.counted:
	case m.remembered == 2 && day == m.before:
		m.counted, m.before = m.before, m.counted
	case day > m.shown:
		m.counted, m.before, m.remembered = day, m.counted, 2
		m.use[day] = &apikey.Usage{Day: day}
	}
	m.shown = day
	u := m.use[m.counted]
	u.LastUsed = max(u.LastUsed, now.Unix()/60*60)
}

// sweep mirrors what Sweep may drop when the clock only goes forward.
func (m *model) sweep(now time.Time) {
	if m.full || m.remembered == 0 || m.use[m.counted].Day >= apikey.DayOf(now) {
		return
	}
	passed := min(now.Sub(m.high), time.Minute)
	if m.tokens+int64(passed)*int64(m.lim.PerMinute) >= int64(m.lim.Burst)*unit {
		m.full, m.remembered = true, 0
	}
}

// check compares an answer with the model, and follows it where the limiter
// may decide either way: a token that is due within the same nanosecond.
func (m *model) check(r ratelimit.Result, cost int) error {
	u := m.use[m.counted]
	early := int64(m.lim.PerMinute)
	need := int64(cost) * unit
	switch {
	case m.tokens >= need && r.MinuteExhausted:
		return fmt.Errorf("minute exhausted, but it has %d of %d units", m.tokens, need)
	case m.tokens+early < need && !r.MinuteExhausted:
		return fmt.Errorf("minute not exhausted, but it has only %d of %d units", m.tokens, need)
	case r.DayExhausted != (u.Charged+uint64(cost) > uint64(m.lim.PerDay)):
		return fmt.Errorf("day exhausted %t after %d of %d", r.DayExhausted, u.Charged, m.lim.PerDay)
	case r.Allowed == (r.MinuteExhausted || r.DayExhausted):
		return fmt.Errorf("allowed %t", r.Allowed)
	case r.Allowed != (r.RetryAfter == 0):
		return fmt.Errorf("allowed %t with RetryAfter %d", r.Allowed, r.RetryAfter)
	}
	if r.Allowed {
		u.Allowed++
		u.Charged += uint64(cost)
		m.tokens -= need
	} else {
		u.Limited++
	}
	return m.checkBalance(r)
}

func (m *model) checkBalance(r ratelimit.Result) error {
	u := m.use[m.counted]
	early := int64(m.lim.PerMinute)
	least, most := max(m.tokens, 0)/unit, max(m.tokens+early, 0)/unit
	if got := int64(r.Minute.Remaining); got < least || got > most {
		return fmt.Errorf("minute has %d remaining, want %d", got, least)
	}
	if (r.Minute.Reset == 0) != (r.Minute.Remaining == m.lim.Burst) {
		return fmt.Errorf("minute resets in %d with %d of %d remaining", r.Minute.Reset, r.Minute.Remaining, m.lim.Burst)
	}
	if got, want := uint64(r.Day.Remaining), uint64(m.lim.PerDay)-min(u.Charged, uint64(m.lim.PerDay)); got != want {
		return fmt.Errorf("day has %d remaining, want %d", got, want)
	}
	return nil
}

func TestModel(t *testing.T) {
	pool := []apikey.Limits{
		limits(60, 60, 500), limits(7, 7, 100), limits(7, 3, 50), limits(1, 1, 1000), limits(11, 5, 5),
		limits(999_983, 999_983, 1_000_000_000), limits(1_000_000, 1000, 1_000_000_000), limits(60, 60, 1),
	}
	costs := []int{1, 1, 1, 1, 2, 5, 60, 1000}
	forward := []time.Duration{0, 1, 60_000, 8571428571, 8571428572, time.Second, 5 * time.Second, time.Minute, time.Hour, 12 * time.Hour, 5 * 24 * time.Hour}
	back := []time.Duration{1, time.Second, time.Minute - 1, time.Minute, time.Minute + 1, time.Hour, 24 * time.Hour, 3 * 24 * time.Hour}

	for seed := range uint64(40) {
		steps := seed%2 == 1 // the clock is set back, and nothing swept; or only goes forward
		rng := rand.New(rand.NewPCG(seed, 2026))
		l := ratelimit.New()
		m := &model{full: true, use: map[apikey.Day]*apikey.Usage{}}
		store := saved{}
		now, lim := noon, pool[rng.IntN(len(pool))]
		for i := range 3000 {
			switch n := rng.IntN(100); {
			case n < 30:
				now = now.Add(forward[rng.IntN(len(forward)-3)])
			case n < 40:
				now = now.Add(time.Duration(rng.Int64N(int64(20 * time.Second))))
			case n < 42:
				now = now.Add(forward[rng.IntN(len(forward))])
			case n < 47 && steps:
				now = now.Add(-back[rng.IntN(len(back))])
			case n < 49:
				lim = pool[rng.IntN(len(pool))]
			case n < 51 && !steps:
				store.save(l.Drain(nil))
				l.Sweep(now)
				m.sweep(now)
			case n < 53:
				store.save(l.Drain(nil))
			case n < 55:
				l.Undrain(l.Drain(nil))
			case n < 58:
				r := l.Deny(keyA, lim, now)
				m.advance(lim, now)
				m.use[m.counted].Denied++
				if err := m.checkBalance(r); err != nil {
					t.Fatalf("seed %d, step %d, Deny at %s with %+v: %v (%+v)", seed, i, now, lim, err, r)
				}
			}
			cost := costs[rng.IntN(len(costs))]
			peek := l.Peek(keyA, lim, cost, now)
			r := l.Take(keyA, lim, cost, now)
			if peek != r {
				t.Fatalf("seed %d, step %d at %s: Peek %+v, Take %+v", seed, i, now, peek, r)
			}
			m.advance(lim, now)
			if err := m.check(r, cost); err != nil {
				t.Fatalf("seed %d, step %d, cost %d at %s with %+v: %v (%+v)", seed, i, cost, now, lim, err, r)
			}
		}
		if steps { // a day may be forgotten and begun again, which the store then shows
			continue
		}
		store.save(l.Drain(nil))
		for d, want := range m.use {
			want.ID = keyA
			if got := store.of(keyA, d); got != *want {
				t.Errorf("seed %d, %s: saved %+v, want %+v", seed, d, got, *want)
			}
		}
	}
}
