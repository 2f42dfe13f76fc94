// Package ratelimit caps how often each key may be used: a token bucket per
// minute and a quota per UTC day, charged together or not at all. It also
// counts failed authentications per client address.
//
// # Time
//
// The package has no clock: callers pass the time, best as time.Now returned
// it. Buckets then refill by its monotonic reading and do not notice when the
// wall clock is set. Where a time has none, and for days, which are a matter
// of the wall clock, a clock that is set back grants nothing:
//
//   - A bucket refills only by time that is new. A clock set back by up to a
//     minute refills nothing until it is where it was. Set back further, it is
//     followed, so that a clock that was wrong does not stop the refill for as
//     long as it was wrong; when it reaches or jumps to where it had been, the
//     time until there does not count again.
//   - Each key remembers its use on two days. A clock that returns to a
//     remembered day goes on with that day's count. A clock set back to any
//     other day goes on with the count it came from: only going forward to a
//     day that is not remembered starts a count at nothing. So an exhausted
//     key stays so when the clock is set back, and a clock that was wrong
//     costs a key at most the quota of one day.
package ratelimit

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Limiter holds the buckets and quotas of the keys in use. All methods may be
// called at once from many goroutines; each is exact at any concurrency.
type Limiter struct {
	start  time.Time // what buckets measure time from
	seed   maphash.Seed
	shards [shardCount]shard
}

// shardCount keeps both contention and the pause that a sweep or a drain puts
// on one shard's keys small.
const shardCount = 256

// New returns a Limiter that has seen no key.
func New() *Limiter {
	l := &Limiter{start: time.Now(), seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].entries = make(map[apikey.ID]*entry)
		l.shards[i].closed = noDay
	}
	return l
}

// Take asks for a request that costs cost, 1–1,000 units. It charges the
// minute bucket and the day quota, both or neither, and counts the request as
// allowed or limited.
//
// lim applies at once, also where the key's bucket runs with other limits: a
// smaller burst takes away what the bucket holds beyond it, a larger one adds
// nothing but room that the refill fills, and a changed quota is compared with
// what was charged today. A key not in use starts with a full bucket.
func (l *Limiter) Take(id apikey.ID, lim apikey.Limits, cost int, now time.Time) Result {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, at := s.use(id, lim, now, now.Sub(l.start))
	r := settle(e.minute.tokens(at, lim), &e.quota, lim, cost, now)
	if r.Allowed {
		e.minute.charge(at, cost)
		e.quota.today().allowed++
	} else {
		e.quota.today().limited++
	}
	return r
}

// Deny counts a request that was refused after authentication for a reason
// other than a limit. It charges nothing and reports the balance: of the
// Result, only Minute and Day are set.
func (l *Limiter) Deny(id apikey.ID, lim apikey.Limits, now time.Time) Result {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, at := s.use(id, lim, now, now.Sub(l.start))
	e.quota.today().denied++
	var r Result
	r.balance(e.minute.tokens(at, lim), &e.quota, lim, now)
	return r
}

// Peek returns what Take would return, and changes nothing.
func (l *Limiter) Peek(id apikey.ID, lim apikey.Limits, cost int, now time.Time) Result {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	day := apikey.DayOf(now)
	tokens, q := float64(lim.Burst), newQuota(day, s.closed)
	if e := s.entries[id]; e != nil {
		tokens = e.minute.tokens(s.clock.next(now.Sub(l.start)).instant(), lim)
		q = e.quota
		q.roll(day)
	}
	return settle(tokens, &q, lim, cost, now)
}

func (l *Limiter) shard(id apikey.ID) *shard {
	return &l.shards[maphash.Comparable(l.seed, id)%shardCount]
}

// shard is a part of the keys, with what is to be saved of them.
type shard struct {
	mu      sync.Mutex
	clock   clock
	entries map[apikey.ID]*entry
	peak    int // most entries since the map was made: maps never shrink

	unsaved []apikey.ID               // keys in use that have something to save
	owed    map[usageKey]apikey.Usage // to save too, of what entries no longer hold

	// closed is the latest day whose counts Sweep has dropped. A key that is
	// new on that day or before it may have been charged there already, so its
	// count is that of the day after.
	closed apikey.Day
}

// entry is the state of one key in use.
type entry struct {
	minute bucket
	quota  quota
	queued bool // in its shard's unsaved
}

// use returns the key's entry, made if need be, on the day and with the limits
// that hold now, and marks it used and unsaved. s.mu must be held.
func (s *shard) use(id apikey.ID, lim apikey.Limits, now time.Time, elapsed time.Duration) (*entry, time.Time) {
	s.clock = s.clock.next(elapsed)
	at, day := s.clock.instant(), apikey.DayOf(now)
	e := s.entries[id]
	if e == nil {
		e = s.add(id, newQuota(day, s.closed))
	} else if gone := e.quota.roll(day); gone.unsaved {
		s.owe(gone.usage(id))
	}
	if e.minute.perMinute != lim.PerMinute || e.minute.burst != lim.Burst {
		e.minute.set(lim, at)
	}
	today := e.quota.today()
	today.lastUsed = max(today.lastUsed, minuteOf(now.Unix()))
	today.unsaved = true
	s.queue(id, e)
	return e, at
}

func (s *shard) add(id apikey.ID, q quota) *entry {
	e := &entry{quota: q}
	s.entries[id] = e
	s.peak = max(s.peak, len(s.entries))
	return e
}

// minuteOf returns whole minutes since 1970 of Unix seconds. 32 bits last for
// four thousand years.
func minuteOf(unix int64) int32 {
	return int32(min(max(unix/60, 0), math.MaxInt32))
}
