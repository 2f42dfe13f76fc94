package ratelimit

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Buckets returns the minute buckets that are not full, to be restored after a
// restart. It changes nothing.
func (l *Limiter) Buckets(now time.Time) []apikey.Bucket {
	var all []apikey.Bucket
	elapsed := now.Sub(l.start)
	l.keys.buckets(now, elapsed, func(id apikey.ID, b apikey.Bucket) {
		b.ID = id
		all = append(all, b)
	})
	l.workspaces.buckets(now, elapsed, func(name string, b apikey.Bucket) {
		b.Workspace = name
		all = append(all, b)
	})
	return all
}

func (t *table[K]) buckets(now time.Time, elapsed time.Duration, yield func(K, apikey.Bucket)) {
	for i := range t.shards {
		t.shards[i].buckets(now, elapsed, yield)
	}
}

func (s *shard[K]) buckets(now time.Time, elapsed time.Duration, yield func(K, apikey.Bucket)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clock.next(elapsed)
	at := c.time
	// If the clock is set back, the time until it has caught up must not count a
	// second time after the restart either.
	wall := now.Round(0).Add(c.high - elapsed).UTC()
	for _, e := range s.entries.All() {
		if !e.minute.full(at) {
			yield(e.k, apikey.Bucket{
				Tokens:    e.minute.at(at),
				PerMinute: e.minute.perMinute, Burst: e.minute.burst,
				At: wall,
			})
		}
	}
}

// RestoreBucket restores a saved bucket, refilled up to its burst by the wall
// time that has passed since. If the wall clock was set back meanwhile, the
// bucket is not refilled. Call it at the start, before the key is used; its day
// counts may be restored before or after.
func (l *Limiter) RestoreBucket(b apikey.Bucket, now time.Time) {
	if b.PerMinute == 0 || b.Burst == 0 {
		return // not limited, so there is nothing to restore
	}
	if b.Workspace != "" {
		l.workspaces.restoreBucket(b.Workspace, &b, now, now.Sub(l.start))
	} else {
		l.keys.restoreBucket(b.ID, &b, now, now.Sub(l.start))
	}
}

func (t *table[K]) restoreBucket(k K, b *apikey.Bucket, now time.Time, elapsed time.Duration) {
	wall := now.Round(0) // without the monotonic reading, which began with this process
	passed := wall.Sub(b.At.Round(0))
	s, hash := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := s.tick(now, elapsed)
	if passed < 0 && now == wall { //nolint:staticcheck // asks whether now has a monotonic reading
		// A wall clock that was set back may jump forward again. A monotonic one
		// does not.
		s.clock.high = max(s.clock.high, elapsed-passed)
	}
	lim := apikey.Limits{PerMinute: b.PerMinute, Burst: b.Burst}
	age := b.Tokens/perSecond(lim) + max(passed, 0).Seconds()
	if age >= float64(lim.Burst)/perSecond(lim) {
		return // full
	}
	s.entry(hash, k).minute = emptyBefore(at, age, lim)
}
