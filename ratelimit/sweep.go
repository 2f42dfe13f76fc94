package ratelimit

import (
	"slices"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Sweep drops idle keys and workspaces: the bucket is full, there was no use on
// the current day, and nothing is unsaved. It returns memory if much was dropped.
// Call it once after saved state is restored, and then about every minute. It
// blocks one 256th of the keys at a time.
func (l *Limiter) Sweep(now time.Time) {
	l.keys.sweep(now, now.Sub(l.start))
	l.workspaces.sweep(now, now.Sub(l.start))
}

func (t *table[K]) sweep(now time.Time, elapsed time.Duration) {
	for i := range t.shards {
		t.shards[i].sweep(now, elapsed)
	}
}

// shrinkAt is the ratio of cells to live cells from which on a table is rebuilt
// smaller. A table that has just grown has a ratio below two.
const shrinkAt = 6

func (s *shard[K]) sweep(now time.Time, elapsed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, today := s.tick(now, elapsed)

	// If a later day is closed, a clock was wrong and showed it. Today's counts
	// may have been dropped at that time, so today stays closed. From tomorrow on
	// nothing is left of the error.
	s.closed = min(s.closed, today)

	for cell, e := range s.entries.All() {
		if e.quota.queued || !e.minute.full(at) || !e.quota.over(today) {
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

// Forget drops the counts of a deleted key. What it was charged stays until Sweep
// drops it: other keys may share it, see [Caps.Account]. So does what its
// workspace was charged. A new key in its place gains nothing by either.
func (l *Limiter) Forget(id apikey.ID) {
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cell := s.find(hash, id); cell >= 0 {
		s.entries.At(cell).quota.forget()
		s.forgetSeen(cell)
	}
	s.disown(id)
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
