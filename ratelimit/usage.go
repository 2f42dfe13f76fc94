package ratelimit

import (
	"hash/maphash"

	"github.com/socialpatra/keygate/apikey"
)

// Restore sets the use of a key on a day to exactly what was saved. Call it at
// the start, before the key is used. Only the latest two days of a key are kept.
func (l *Limiter) Restore(u apikey.Usage) { l.keys.restore(u.ID, tallyOf(u)) }

// RestoreWorkspace does for a workspace what Restore does for a key.
func (l *Limiter) RestoreWorkspace(u apikey.WorkspaceUsage) {
	l.workspaces.restore(u.Workspace, workspaceTallyOf(u))
}

func (t *table[K]) restore(k K, restored tally) {
	s, hash := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry(hash, k).quota.restore(restored)
}

// Drain appends to keys and workspaces the use of every key and workspace on
// every day that changed since the last Drain, and returns the extended slices.
// The counts are totals of the day; what was seen is what Drain has not returned
// before, and may come without counts. The caller saves them. If that fails, it
// hands them to [Limiter.Undrain].
func (l *Limiter) Drain(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) ([]apikey.Usage, []apikey.WorkspaceUsage) {
	l.keys.drain(func(id apikey.ID, t *tally, seen *apikey.Sighting) {
		u := t.usage(id)
		u.Seen = seen
		keys = append(keys, u)
	})
	l.workspaces.drain(func(name string, t *tally, _ *apikey.Sighting) {
		workspaces = append(workspaces, t.workspaceUsage(name))
	})
	return keys, workspaces
}

func (t *table[K]) drain(yield func(K, *tally, *apikey.Sighting)) {
	for i := range t.shards {
		t.shards[i].drain(yield)
	}
}

func (s *shard[K]) drain(yield func(K, *tally, *apikey.Sighting)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, t := range s.owed {
		yield(d.k, &t, nil)
	}
	for of, seen := range s.owedSeen {
		yield(of.k, &tally{day: of.day}, &seen)
	}
	s.owed, s.owedSeen = nil, nil
	for _, k := range s.unsaved {
		cell := s.find(maphash.Comparable(s.seed, k), k)
		if cell < 0 { // forgotten since
			continue
		}
		e := s.entries.At(cell)
		e.quota.queued = false
		seen, day := s.takeSeen(cell)
		for i := range e.quota.days {
			if t := &e.quota.days[i]; t.unsaved {
				t.unsaved = false
				if t.day == day {
					yield(k, t, seen)
					seen = nil
				} else {
					yield(k, t, nil)
				}
			}
		}
		if seen != nil {
			yield(k, &tally{day: day}, seen)
		}
	}
	s.unsaved = s.unsaved[:0]
}

// Undrain puts the result of an earlier Drain back into the next one, because
// saving it failed. Keys that were used since keep their newer totals.
func (l *Limiter) Undrain(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) {
	for _, u := range keys {
		if u.Counts() {
			l.keys.undrain(u.ID, tallyOf(u))
		}
		if u.Seen != nil {
			l.keys.undrainSeen(u.ID, u.Seen, u.Day)
		}
	}
	for _, u := range workspaces {
		l.workspaces.undrain(u.Workspace, workspaceTallyOf(u))
	}
}

func (t *table[K]) undrain(k K, failed tally) {
	s, hash := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.get(hash, k); e != nil {
		// The day may have been started again meanwhile, because the clock was
		// set back. Then the larger of the two counts is kept.
		if have := e.quota.on(failed.day); have != nil && have.sum() >= failed.sum() {
			have.unsaved = true
			s.enqueue(e)
			return
		}
	}
	s.owe(k, failed)
}
