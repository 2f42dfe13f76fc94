package ratelimit

import (
	"maps"
	"slices"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Sweep drops the keys that are idle: their bucket is full, they were not used
// on the current day, and nothing of them is unsaved. It gives memory back
// when much was dropped. Calling it every minute or so is enough; it holds up
// one 256th of the keys at a time.
func (l *Limiter) Sweep(now time.Time) {
	for i := range l.shards {
		l.shards[i].sweep(now, now.Sub(l.start))
	}
}

// shrinkFrom is how large a map must have been to be worth making anew.
const shrinkFrom = 64

func (s *shard) sweep(now time.Time, elapsed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.next(elapsed)
	at, today := s.clock.instant(), apikey.DayOf(now)

	// A later day was closed by a clock that was wrong. Today may have been
	// dropped before it, so it stays closed, and tomorrow all is well again.
	s.closed = min(s.closed, today)

	for id, e := range s.entries {
		if e.queued || !e.minute.full(at) || !e.quota.over(today) {
			continue
		}
		for i := range e.quota.days {
			if t := &e.quota.days[i]; t.used() {
				s.closed = max(s.closed, t.day)
			}
		}
		delete(s.entries, id)
	}
	if n := len(s.entries); s.peak >= shrinkFrom && n < s.peak/4 {
		live := make(map[apikey.ID]*entry, n)
		maps.Copy(live, s.entries)
		s.entries, s.peak = live, n
		s.unsaved = slices.Clone(s.unsaved)
	}
}

// Forget drops all state of a key that was deleted.
func (l *Limiter) Forget(id apikey.ID) {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, id)
}

// Len returns how many keys have state.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}
