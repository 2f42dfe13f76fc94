package ratelimit

import (
	"math"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// noDay is before every day that a clock shows.
const noDay = apikey.Day(math.MinInt32)

// tally is the use of one key on one day, an apikey.Usage in less space. The
// zero tally but for its day is one without use.
type tally struct {
	allowed, limited, denied uint64

	charged  uint32 // at most PerDay
	day      apikey.Day
	lastUsed int32 // minutes since 1970
	unsaved  bool
}

func (t *tally) used() bool { return t.allowed|t.limited|t.denied != 0 }

func (t *tally) usage(id apikey.ID) apikey.Usage {
	return apikey.Usage{
		ID: id, Day: t.day,
		Charged: uint64(t.charged), Allowed: t.allowed, Limited: t.limited, Denied: t.denied,
		LastUsed: int64(t.lastUsed) * 60,
	}
}

func tallyOf(u apikey.Usage) tally {
	return tally{
		allowed: u.Allowed, limited: u.Limited, denied: u.Denied,
		charged:  uint32(min(u.Charged, math.MaxUint32)),
		day:      u.Day,
		lastUsed: minuteOf(u.LastUsed),
	}
}

// quota is the use of one key on the two days that it was last used on.
type quota struct {
	// days[0] is the count that requests add to now, days[1] the one before.
	days [2]tally

	// shown is the day that the clock last showed. It differs from days[0].day
	// while the clock is set back to a day that is not remembered.
	shown apikey.Day
}

// newQuota returns the quota of a key that is new on day, in a shard that has
// dropped counts up to the day closed.
func newQuota(day, closed apikey.Day) quota {
	return quota{
		days:  [2]tally{{day: max(day, closed+1)}, {day: noDay}},
		shown: day,
	}
}

func (q *quota) today() *tally { return &q.days[0] }

// on returns the count of a day, or nil.
func (q *quota) on(day apikey.Day) *tally {
	for i := range q.days {
		if q.days[i].day == day {
			return &q.days[i]
		}
	}
	return nil
}

// roll moves to the day that the clock shows, and returns the count that it
// forgets for that.
func (q *quota) roll(day apikey.Day) (gone tally) {
	switch {
	case day == q.shown, day == q.days[0].day:
	case day == q.days[1].day:
		q.days[0], q.days[1] = q.days[1], q.days[0]
	case day > q.shown:
		gone = q.days[1]
		q.days[1], q.days[0] = q.days[0], tally{day: day}
	}
	q.shown = day
	return gone
}

// left returns what may still be charged.
func (q *quota) left(lim apikey.Limits) uint32 {
	return lim.PerDay - min(q.days[0].charged, lim.PerDay)
}

// reset returns the whole seconds, rounded up, until the next day whose count
// starts at nothing: 00:00 UTC, unless the clock was set back over it.
func (q *quota) reset(now time.Time) int {
	next := q.shown + 1
	for q.on(next) != nil {
		next++
	}
	return int(next.Start().Unix() - now.Unix())
}

// over reports whether there is no count for the day today or a later one.
func (q *quota) over(today apikey.Day) bool {
	for i := range q.days {
		if t := &q.days[i]; t.used() && t.day >= today {
			return false
		}
	}
	return true
}
