package ratelimit

import (
	"slices"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Sweep drops the keys and workspaces that are idle: their bucket is full, they
// were not used on the current day, and nothing of them is unsaved. It gives
// memory back when much was dropped. Calling it after what was saved is
// restored, and then every minute or so, is enough; it holds up one 256th of
// the keys at a time.
func (l *Limiter) Sweep(now time.Time) {
	l.keys.sweep(now, now.Sub(l.start))
	l.workspaces.sweep(now, now.Sub(l.start))
}

func (t *table[K]) sweep(now time.Time, elapsed time.Duration) {
	for i := range t.shards {
		t.shards[i].sweep(now, elapsed)
	}
}

// shrinkAt is how many cells there are for each live one when a table is worth
// making anew. One that has just grown has less than two.
const shrinkAt = 6

func (s *shard[K]) sweep(now time.Time, elapsed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, today := s.tick(now, elapsed)

	// A later day was closed by a clock that was wrong. Today may have been
	// dropped before it, so it stays closed, and tomorrow all is well again.
	s.closed = min(s.closed, today)

	for cell, e := range s.entries.All() {
		if e.queued || !e.minute.full(at) || !e.quota.over(today) {
			continue
		}
		for i := range e.quota.days {
			if t := &e.quota.days[i]; t.sum() != 0 {
				s.closed = max(s.closed, t.day)
			}
		}
		s.entries.Remove(cell)
	}
	if n := s.entries.Len(); n < s.entries.Cells()/shrinkAt {
		s.entries.Resize(n, s.hashOf)
		s.unsaved = slices.Clone(s.unsaved)
	}
}

// Forget drops all state of a key that was deleted. What it was charged stays
// in its workspace's counts, so that a new key in its place gains nothing.
func (l *Limiter) Forget(id apikey.ID) {
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cell := s.find(hash, id); cell >= 0 {
		s.entries.Remove(cell)
	}
}

// Len returns how many keys and how many workspaces have state.
func (l *Limiter) Len() (keys, workspaces int) { return l.keys.len(), l.workspaces.len() }

func (t *table[K]) len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.entries.Len()
		s.mu.Unlock()
	}
	return n
}
