package ratelimit

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// table holds the state of all keys, or of all workspaces.
type table[K comparable] struct {
	seed   maphash.Seed
	shards [shardCount]shard[K]
}

// shardCount keeps both contention and the pause that a sweep or a drain puts
// on one shard's keys small.
const shardCount = 256

func (t *table[K]) init() {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].entries = make(map[K]*entry)
		t.shards[i].closed = noDay
	}
}

func (t *table[K]) shard(k K) *shard[K] {
	return &t.shards[maphash.Comparable(t.seed, k)%shardCount]
}

// shard is a part of the keys or workspaces, with what is to be saved of them.
// Who holds the lock of a key's shard may lock a workspace's, never the other
// way round, and never two of one table.
type shard[K comparable] struct {
	mu      sync.Mutex
	clock   clock
	entries map[K]*entry
	peak    int // most entries since the map was made: maps never shrink

	unsaved []K                // those in use that have something to save
	owed    map[dayOf[K]]tally // to save too, of what entries no longer hold

	// closed is the latest day whose counts are not here any more: Sweep has
	// dropped them, or they are from before the start and were not restored.
	// What is new on that day or before it may have been charged there already,
	// so its count is that of the day after.
	closed apikey.Day
}

// dayOf names one day of one key or workspace.
type dayOf[K comparable] struct {
	k   K
	day apikey.Day
}

// entry is the state of one key or workspace in use.
type entry struct {
	minute bucket
	quota  quota
	queued bool // in its shard's unsaved
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
func (s *shard[K]) use(k K, lim apikey.Limits, now time.Time, elapsed time.Duration) (*entry, time.Time) {
	at, day := s.tick(now, elapsed)
	e := s.entries[k]
	if e == nil {
		e = s.add(k, newQuota(day, s.closed))
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
func (s *shard[K]) look(k K, q *quota, lim apikey.Limits, now time.Time, elapsed time.Duration) float64 {
	day := apikey.DayOf(now)
	e := s.entries[k]
	if e == nil {
		*q = newQuota(day, s.closed)
		return float64(lim.Burst)
	}
	*q = e.quota
	q.roll(day, s.closed)
	return e.minute.tokens(s.clock.next(elapsed).instant(), lim)
}

func (s *shard[K]) add(k K, q quota) *entry {
	e := &entry{quota: q}
	s.entries[k] = e
	s.peak = max(s.peak, len(s.entries))
	return e
}

// queue has today's count saved. s.mu must be held.
func (s *shard[K]) queue(k K, e *entry) {
	e.quota.today().unsaved = true
	s.enqueue(k, e)
}

// enqueue has the entry's unsaved counts saved. s.mu must be held.
func (s *shard[K]) enqueue(k K, e *entry) {
	if !e.queued {
		e.queued = true
		s.unsaved = append(s.unsaved, k)
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
