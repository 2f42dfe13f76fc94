package ratelimit

import "github.com/socialpatra/keygate/apikey"

// This file is about the Watch of a key, which is beside its entry.

// seenOf names what was seen of a key on a day with the same scopes.
type seenOf[K comparable] struct {
	dayOf[K]
	scopes *apikey.ScopeSet
}

// knows reports whether what a request shows of the use of the key in a cell is
// nothing new. s.mu must be held.
func (s *shard[K]) knows(cell int, seen *apikey.Sighting) bool {
	if seen.Scopes == nil {
		return true
	}
	w := s.entries.Beside(cell)
	return w != nil && w.knows(seen, s.entries.At(cell).quota.shown)
}

// see adds what a request that passed shows of the use of the key in a cell. s.mu
// must be held.
func (s *shard[K]) see(cell int, seen *apikey.Sighting) {
	if s.entries.Beside(cell) == nil {
		s.entries.MakeBeside(cell)
	}
	e := s.entries.At(cell)
	if gone, day := s.entries.Beside(cell).See(seen, e.quota.shown); gone != nil {
		s.oweSeen(e.k, gone, day)
	}
}

// takeSeen returns what there is to save of the key in a cell, and on which day it
// was seen, or nil. s.mu must be held.
func (s *shard[K]) takeSeen(cell int) (*apikey.Sighting, apikey.Day) {
	if w := s.entries.Beside(cell); w != nil {
		return w.Take()
	}
	return nil, 0
}

// forgetSeen has all of the key in a cell seen anew. s.mu must be held.
func (s *shard[K]) forgetSeen(cell int) {
	if w := s.entries.Beside(cell); w != nil {
		*w = Watch{}
	}
}

// oweSeen keeps what is to be saved and no Watch remembers. s.mu must be held.
func (s *shard[K]) oweSeen(k K, seen *apikey.Sighting, day apikey.Day) {
	if s.owedSeen == nil {
		s.owedSeen = make(map[seenOf[K]]apikey.Sighting)
	}
	of, all := seenOf[K]{dayOf[K]{k, day}, seen.Scopes}, *seen
	if have, ok := s.owedSeen[of]; ok {
		all.Needed |= have.Needed
		all.Network = all.Network.With(have.Network)
	}
	s.owedSeen[of] = all
}

func (t *table[K]) undrainSeen(k K, seen *apikey.Sighting, day apikey.Day) {
	s, hash := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cell := s.find(hash, k); cell >= 0 {
		if w := s.entries.Beside(cell); w != nil && w.Untake(seen, day) {
			s.enqueue(s.entries.At(cell))
			return
		}
	}
	s.oweSeen(k, seen, day)
}

// disown drops what is owed of a key. s.mu must be held.
func (s *shard[K]) disown(k K) {
	for of := range s.owedSeen {
		if of.k == k {
			delete(s.owedSeen, of)
		}
	}
}

// Rewatch has everything that requests of a key show seen anew, and keeps for the
// next Drain what was seen until now. Call it, and save what Drain returns, before
// the scopes of a key are changed: a scope that is taken away and given again has
// nothing then of what was seen before.
func (l *Limiter) Rewatch(id apikey.ID) {
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	cell := s.find(hash, id)
	if cell < 0 {
		return
	}
	if seen, day := s.takeSeen(cell); seen != nil {
		s.oweSeen(id, seen, day)
	}
	s.forgetSeen(cell)
}
