package ratelimit

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/celltable"
)

// table holds the state of all keys, or of all workspaces. Its size is whole
// lines of the cache, as is a shard's: of that, use reads the first two.
type table[K comparable] struct {
	shards [shardCount]shard[K]
	seed   maphash.Seed
	_      [56]byte
}

// shardCount keeps contention small, and the pause that a sweep, a drain or the
// growth of the table puts on one shard's keys.
const (
	shardBits  = 8
	shardCount = 1 << shardBits
)

func (t *table[K]) init() {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		s := &t.shards[i]
		s.seed, s.closed = t.seed, noDay
		s.entries.Resize(0, s.hashOf)
	}
}

// shard returns where k belongs, and the hash by which it is found there.
func (t *table[K]) shard(k K) (s *shard[K], hash uint64) {
	hash = maphash.Comparable(t.seed, k)
	return &t.shards[hash>>(64-shardBits)], hash
}

// shard is a part of the keys or workspaces, with what is to be saved of them.
// Who holds the lock of a key's shard may lock a workspace's, never the other
// way round, and never two of one table.
type shard[K comparable] struct {
	mu    sync.Mutex
	clock clock

	// closed is the latest day whose counts are not here any more: Sweep has
	// dropped them, or they are from before the start and were not restored.
	// What is new on that day or before it may have been charged there already,
	// so its count is that of the day after.
	closed apikey.Day

	entries celltable.Table[entry[K]]
	seed    maphash.Seed // the table's

	unsaved []K                // those in use that have something to save
	owed    map[dayOf[K]]tally // to save too, of what entries no longer hold

	_ [40]byte
}

// dayOf names one day of one key or workspace.
type dayOf[K comparable] struct {
	k   K
	day apikey.Day
}

// tick advances the clock. s.mu must be held.
func (s *shard[K]) tick(now time.Time, elapsed time.Duration) (at time.Time, today apikey.Day) {
	today = apikey.DayOf(now)
	if !s.clock.running {
		s.closed = max(s.closed, today-1)
	}
	s.clock = s.clock.next(elapsed)
	return s.clock.instant(), today
}

// use returns the entry of k, made if need be, on the day and with the limits
// that hold now. s.mu must be held.
func (s *shard[K]) use(hash uint64, k K, lim apikey.Limits, now time.Time, elapsed time.Duration) (*entry[K], time.Time) {
	at, day := s.tick(now, elapsed)
	e := s.get(hash, k)
	if e == nil {
		e = s.add(hash, k, newQuota(day, s.closed))
	} else if gone := e.quota.roll(day, s.closed); gone.unsaved {
		s.owe(k, gone)
	}
	// A workspace's bucket goes on as it was while its workspace has none.
	if lim.Burst != 0 && (e.minute.perMinute != lim.PerMinute || e.minute.burst != lim.Burst) {
		e.minute.set(lim, at)
	}
	return e, at
}

// look sets q to what use would make of the quota, returns the tokens that the
// bucket would hold, and changes nothing. s.mu must be held.
func (s *shard[K]) look(hash uint64, k K, q *quota, lim apikey.Limits, now time.Time, elapsed time.Duration) float64 {
	day := apikey.DayOf(now)
	e := s.get(hash, k)
	if e == nil {
		*q = newQuota(day, s.closed)
		return float64(lim.Burst)
	}
	*q = e.quota
	q.roll(day, s.closed)
	return e.minute.tokens(s.clock.next(elapsed).instant(), lim)
}

// queue has today's count saved. s.mu must be held.
func (s *shard[K]) queue(e *entry[K]) {
	e.quota.today().unsaved = true
	s.enqueue(e)
}

// enqueue has the entry's unsaved counts saved. s.mu must be held.
func (s *shard[K]) enqueue(e *entry[K]) {
	if !e.queued {
		e.queued = true
		s.unsaved = append(s.unsaved, e.k)
	}
}

// owe has a count saved that no entry holds. Counts only grow, so of two for
// the same day the larger is the newer. s.mu must be held.
func (s *shard[K]) owe(k K, t tally) {
	if s.owed == nil {
		s.owed = make(map[dayOf[K]]tally)
	}
	d := dayOf[K]{k, t.day}
	if have := s.owed[d]; t.sum() > have.sum() {
		s.owed[d] = t
	}
}

// minuteOf returns whole minutes since 1970 of Unix seconds. 32 bits last for
// four thousand years.
func minuteOf(unix int64) int32 {
	return int32(min(max(unix/60, 0), math.MaxInt32))
}
