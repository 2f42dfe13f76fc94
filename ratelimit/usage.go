package ratelimit

import (
	"hash/maphash"

	"github.com/socialpatra/keygate/apikey"
)

// Restore puts back what was saved of a key's use on a day, exactly. It is for
// the start, before the key is used; of a key's days it keeps the latest two.
func (l *Limiter) Restore(u apikey.Usage) { l.keys.restore(u.ID, tallyOf(u)) }

// RestoreWorkspace puts back what was saved of a workspace's use on a day, as
// Restore does for a key.
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
// every day that changed since the last Drain, as totals of the day, and
// returns the extended slices. The caller saves them, and hands them to
// [Limiter.Undrain] where that fails.
func (l *Limiter) Drain(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) ([]apikey.Usage, []apikey.WorkspaceUsage) {
	l.keys.drain(func(id apikey.ID, t *tally) { keys = append(keys, t.usage(id)) })
	l.workspaces.drain(func(name string, t *tally) { workspaces = append(workspaces, t.workspaceUsage(name)) })
	return keys, workspaces
}

func (t *table[K]) drain(yield func(K, *tally)) {
	for i := range t.shards {
		t.shards[i].drain(yield)
	}
}

func (s *shard[K]) drain(yield func(K, *tally)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, t := range s.owed {
		yield(d.k, &t)
	}
	s.owed = nil
	for _, k := range s.unsaved {
		e := s.get(maphash.Comparable(s.seed, k), k)
		if e == nil { // forgotten since
			continue
		}
		e.queued = false
		for i := range e.quota.days {
			if t := &e.quota.days[i]; t.unsaved {
				t.unsaved = false
				yield(k, t)
			}
		}
	}
	s.unsaved = s.unsaved[:0]
}

// Undrain makes what an earlier Drain returned part of the next one again, as
// saving it failed. What was used since keeps its newer totals.
func (l *Limiter) Undrain(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) {
	for _, u := range keys {
		l.keys.undrain(u.ID, tallyOf(u))
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
		// Where the day was begun anew meanwhile, as the clock was set back, the
		// larger of the two counts is the one to keep.
		if have := e.quota.on(failed.day); have != nil && have.sum() >= failed.sum() {
			have.unsaved = true
			s.enqueue(e)
			return
		}
	}
	s.owe(k, failed)
}
