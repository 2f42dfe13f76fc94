package ratelimit

import (
	"math"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// noDay is before every day that a clock shows.
const noDay = apikey.Day(math.MinInt32)

// tally is the use of one key or workspace on one day. It holds an apikey.Usage
// or apikey.WorkspaceUsage in less space; of a workspace, only charged is set. A
// tally with only its day set means no use.
type tally struct {
	day      apikey.Day
	charged  uint32 // at most PerDay; where no quota applies, up to the maximum of the type
	lastUsed int32  // minutes since 1970
	unsaved  bool

	allowed, limited, denied uint64
}

// sum grows with every use, and is zero only if there was none.
func (t *tally) sum() uint64 { return t.allowed + t.limited + t.denied + uint64(t.charged) }

func (t *tally) usage(id apikey.ID) apikey.Usage {
	return apikey.Usage{
		ID: id, Day: t.day,
		Charged: uint64(t.charged), Allowed: t.allowed, Limited: t.limited, Denied: t.denied,
		LastUsed: int64(t.lastUsed) * 60,
	}
}

func (t *tally) workspaceUsage(name string) apikey.WorkspaceUsage {
	return apikey.WorkspaceUsage{Workspace: name, Day: t.day, Charged: uint64(t.charged)}
}

func tallyOf(u apikey.Usage) tally {
	return tally{
		allowed: u.Allowed, limited: u.Limited, denied: u.Denied,
		charged:  uint32(min(u.Charged, math.MaxUint32)),
		day:      u.Day,
		lastUsed: minuteOf(u.LastUsed),
	}
}

func workspaceTallyOf(u apikey.WorkspaceUsage) tally {
	return tally{charged: uint32(min(u.Charged, math.MaxUint32)), day: u.Day}
}

// quota is the use of one key or workspace on the two days of its last use.
type quota struct {
	// shown is the day that the clock showed last. It differs from days[0].day
	// while the clock is set back to a day that is not remembered.
	shown apikey.Day

	queued bool // is listed in its shard's unsaved

	// Requests add to days[0]. days[1] is the other remembered day: the day used
	// before, or a later one after the clock was set back.
	days [2]tally
}

// newQuota returns the quota of a key first seen on day. The shard holds no
// counts for the day closed or earlier days.
func newQuota(day, closed apikey.Day) quota {
	return quota{
		days:  [2]tally{{day: max(day, closed+1)}, {day: noDay}},
		shown: day,
	}
}

// unused returns the quota of a key without use on any day.
func unused() quota {
	return quota{days: [2]tally{{day: noDay}, {day: noDay}}, shown: noDay}
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

// roll moves the quota to the day that the clock shows, and returns the count
// that had to be forgotten for it. A quota that was never used is treated as new.
func (q *quota) roll(day, closed apikey.Day) (gone tally) {
	switch {
	case q.shown == noDay:
		q.days = newQuota(day, closed).days
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

// seen remembers when the key was used.
func (q *quota) seen(now time.Time) {
	t := q.today()
	t.lastUsed = max(t.lastUsed, minuteOf(now.Unix()))
}

// charge adds to today's count.
func (q *quota) charge(cost uint32) {
	t := q.today()
	t.charged += min(cost, math.MaxUint32-t.charged)
}

// forget keeps what was charged alone.
func (q *quota) forget() {
	for i := range q.days {
		t := &q.days[i]
		*t = tally{day: t.day, charged: t.charged, unsaved: t.unsaved && t.charged != 0}
	}
}

// restore sets the count of a day. Only the latest two days are kept.
func (q *quota) restore(restored tally) {
	switch t := q.on(restored.day); {
	case t != nil:
		*t = restored
	case restored.day > q.days[0].day:
		q.days[0], q.days[1] = restored, q.days[0]
		q.shown = restored.day
	case restored.day > q.days[1].day:
		q.days[1] = restored
	}
}

// left returns how many units may still be charged today.
func (q *quota) left(lim apikey.Limits) uint32 {
	return lim.PerDay - min(q.days[0].charged, lim.PerDay)
}

// reset returns the time until the next day whose count starts at zero, in whole
// seconds, rounded up. That is 00:00 UTC, unless the clock was set back over it.
func (q *quota) reset(now time.Time) int {
	next := q.shown + 1
	for q.on(next) != nil {
		next++
	}
	return int(next.Start().Unix() - now.Unix())
}

// over reports whether the quota has no count for today or a later day.
func (q *quota) over(today apikey.Day) bool {
	for i := range q.days {
		if t := &q.days[i]; t.sum() != 0 && t.day >= today {
			return false
		}
	}
	return true
}
