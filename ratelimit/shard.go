package ratelimit

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/celltable"
)

// table holds the state of all keys, or of all workspaces. It is padded to whole
// pairs of cache lines, as is each shard: processors fetch both lines of a pair. A
// use touches only the first pair of a shard.
type table[K comparable] struct {
	shards [shardCount]shard[K]
	seed   maphash.Seed
	_      [120]byte
}

// Many shards keep contention low. They also keep pauses short: a sweep or a drain
// stops only the keys of one shard. A table grows little by little, however many
// entries it has.
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

// shard returns the shard that k belongs to, and the hash of k.
func (t *table[K]) shard(k K) (s *shard[K], hash uint64) {
	hash = maphash.Comparable(t.seed, k)
	return &t.shards[hash>>(64-shardBits)], hash
}

// shard holds a part of the keys or workspaces, and what is to be saved of them.
// A goroutine that holds the lock of a key's shard may lock a workspace's shard,
// never the other way round. Nobody holds two locks of one table.
type shard[K comparable] struct {
	mu    sync.Mutex
	clock clock

	// closed is the latest day whose counts the shard no longer holds: Sweep has
	// dropped them, or they are from before the start and were not restored. A
	// key first seen on that day or earlier may have been charged there already.
	// So its use counts on the day after closed.
	closed apikey.Day

	entries celltable.Table[entry[K], Watch]
	seed    maphash.Seed // the table's

	unsaved  []K                           // entries with something to save
	owed     map[dayOf[K]]tally            // also to be saved: counts that no entry holds any more
	owedSeen map[seenOf[K]]apikey.Sighting // also to be saved: sightings that no Watch remembers any more

	_ [64]byte
}

// dayOf names one day of one key or workspace.
type dayOf[K comparable] struct {
	k   K
	day apikey.Day
}

// tick advances the clock. s.mu must be held.
func (s *shard[K]) tick(now time.Time, elapsed time.Duration) (at time.Duration, today apikey.Day) {
	today = apikey.DayOf(now)
	if !s.clock.running {
		s.closed = max(s.closed, today-1)
	}
	s.clock = s.clock.next(elapsed)
	return s.clock.time, today
}

// use returns the entry of k and its cell, and makes it if need be. The entry is moved to the
// current day and set to the current limits. s.mu must be held.
func (s *shard[K]) use(hash uint64, k K, lim apikey.Limits, now time.Time, elapsed time.Duration) (cell int, e *entry[K], at time.Duration) {
	at, day := s.tick(now, elapsed)
	if cell = s.find(hash, k); cell < 0 {
		cell = s.add(hash, k, newQuota(day, s.closed))
		e = s.entries.At(cell)
	} else {
		e = s.entries.At(cell)
		if gone := e.quota.roll(day, s.closed); gone.unsaved {
			s.owe(k, gone)
		}
	}
	// A workspace without a minute limit keeps its bucket as it was.
	if lim.Burst != 0 && (e.minute.perMinute != lim.PerMinute || e.minute.burst != lim.Burst) {
		e.minute.set(lim, at)
	}
	return cell, e, at
}

// look sets q to the quota that use would leave, and returns how many tokens the
// bucket would hold. It changes nothing else. s.mu must be held.
func (s *shard[K]) look(hash uint64, k K, q *quota, lim apikey.Limits, now time.Time, elapsed time.Duration) float64 {
	day := apikey.DayOf(now)
	e := s.get(hash, k)
	if e == nil {
		*q = newQuota(day, s.closed)
		return float64(lim.Burst)
	}
	*q = e.quota
	q.roll(day, s.closed)
	return e.minute.tokens(s.clock.next(elapsed).time, lim)
}

// queue marks today's count to be saved. s.mu must be held.
func (s *shard[K]) queue(e *entry[K]) {
	e.quota.today().unsaved = true
	s.enqueue(e)
}

// enqueue lists the entry among those with unsaved counts. s.mu must be held.
func (s *shard[K]) enqueue(e *entry[K]) {
	if !e.quota.queued {
		e.quota.queued = true
		s.unsaved = append(s.unsaved, e.k)
	}
}

// owe keeps a count to be saved that no entry holds. Counts only grow, so of two
// counts for one day the larger is the newer. s.mu must be held.
func (s *shard[K]) owe(k K, t tally) {
	if s.owed == nil {
		s.owed = make(map[dayOf[K]]tally)
	}
	d := dayOf[K]{k, t.day}
	if have := s.owed[d]; t.sum() > have.sum() {
		s.owed[d] = t
	}
}

// minuteOf converts Unix seconds to whole minutes since 1970. 32 bits suffice for
// four thousand years.
func minuteOf(unix int64) int32 {
	return int32(min(max(unix/60, 0), math.MaxInt32))
}
