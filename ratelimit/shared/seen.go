package shared

import (
	"maps"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// This file is about what requests that passed have shown of the use of keys. A
// gateway saves it once; what others have saved it does not know.
//
// The Watch of a key is found by the tally of a day, so that a request looks up no
// more than that. A Watch that has something to save is in a tally.

// seenKey names what was seen of a key on a day with the same scopes.
type seenKey struct {
	tallyKey
	scopes *apikey.ScopeSet
}

// see adds a sighting to those of a key. s.mu must be held.
func (s *shard[K, V]) see(t *tally, seen *apikey.Sighting) {
	if seen.Scopes == nil {
		return
	}
	if t.watch == nil {
		t.watch = s.watch(t.ID)
	}
	if gone, day := t.watch.See(seen, t.Day); gone != nil {
		s.oweSeen(tallyKey{t.ID, day}, gone)
	}
}

// watch returns the Watch of a key. One that it makes takes the place of another if
// there are too many, of which all is seen again. s.mu must be held.
func (s *shard[K, V]) watch(id apikey.ID) *ratelimit.Watch {
	if w := s.watches[id]; w != nil {
		return w
	}
	if len(s.watches) >= shardSize {
		for other := range s.watches {
			delete(s.watches, other)
			break
		}
	}
	w := new(ratelimit.Watch)
	s.watches[id] = w
	return w
}

// oweSeen keeps what is to be saved and no Watch remembers. s.mu must be held.
func (s *shard[K, V]) oweSeen(k tallyKey, seen *apikey.Sighting) {
	of, all := seenKey{k, seen.Scopes}, *seen
	if have, ok := s.owedSeen[of]; ok {
		all.Needed |= have.Needed
		all.Network = all.Network.With(have.Network)
	}
	s.owedSeen[of] = all
}

// drainSeen appends what was seen of keys: to the last of all what the Watch of its
// key has to save.
func drainSeen(all []apikey.Usage, w *ratelimit.Watch) []apikey.Usage {
	if w == nil {
		return all
	}
	u := &all[len(all)-1]
	switch seen, day := w.Take(); {
	case seen == nil:
	case day == u.Day:
		u.Seen = seen
	default:
		all = append(all, apikey.Usage{ID: u.ID, Day: day, Seen: seen})
	}
	return all
}

// drainOwed appends the sightings that no Watch remembers. s.mu must be held.
func (s *shard[K, V]) drainOwed(all []apikey.Usage) []apikey.Usage {
	for of, seen := range s.owedSeen {
		all = append(all, apikey.Usage{ID: of.id, Day: of.day, Seen: &seen})
	}
	clear(s.owedSeen)
	return all
}

// Rewatch is [ratelimit.Limiter.Rewatch]: what it keeps is part of the next Save.
func (l *Limiter) Rewatch(id apikey.ID) { l.memory.rewatch(id, true) }

// rewatch has all of a key seen anew, and keeps what is not saved, or drops it. A
// key is in the shard of its account, which need not be known here.
func (m *memory) rewatch(id apikey.ID, keep bool) {
	for i := range m.keys.shards {
		s := &m.keys.shards[i]
		s.mu.Lock()
		for k, t := range s.tallies {
			if k.id != id || t.watch == nil {
				continue
			}
			if seen, day := t.watch.Take(); seen != nil {
				s.oweSeen(tallyKey{id, day}, seen)
			}
			t.watch = nil
			s.tallies[k] = t
		}
		delete(s.watches, id)
		if !keep {
			maps.DeleteFunc(s.owedSeen, func(of seenKey, _ apikey.Sighting) bool { return of.id == id })
		}
		s.mu.Unlock()
	}
}

// sweepWatches drops the Watch of each key that was not used on a day or later.
func (m *memory) sweepWatches(day apikey.Day) {
	for i := range m.keys.shards {
		s := &m.keys.shards[i]
		s.mu.Lock()
		maps.DeleteFunc(s.watches, func(_ apikey.ID, w *ratelimit.Watch) bool { return w.Day() < day })
		s.mu.Unlock()
	}
}
