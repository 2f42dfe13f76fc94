package shared

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// tallyKey names one day of one key.
type tallyKey struct {
	id  apikey.ID
	day apikey.Day
}

// tally is what a key was used for on a day and is not saved yet.
type tally = apikey.Usage

// tally returns the count that a request at now adds to. s.mu must be held.
func (s *shard[K, V]) tally(id apikey.ID, now time.Time) tally {
	k := tallyKey{id, apikey.DayOf(now)}
	t := s.tallies[k]
	unix := now.Unix()
	t.ID, t.Day, t.LastUsed = id, k.day, max(t.LastUsed, unix-unix%60)
	return t
}

func (s *shard[K, V]) record(t tally) { s.tallies[tallyKey{t.ID, t.Day}] = t }

// add counts a request. s.mu must be held.
func (s *shard[K, V]) add(id apikey.ID, cost int, passes bool, now time.Time) {
	t := s.tally(id, now)
	if passes {
		t.Allowed++
		t.Charged += uint64(cost)
	} else {
		t.Limited++
	}
	s.record(t)
}

func (l *Limiter) count(id apikey.ID, caps *ratelimit.Caps, cost int, passes bool, now time.Time) {
	s := l.memory.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(id, cost, passes, now)
}

// drain appends what is not saved yet, and counts anew.
func (l *Limiter) drain(all []apikey.Usage) []apikey.Usage {
	for i := range l.memory.keys.shards {
		s := &l.memory.keys.shards[i]
		s.mu.Lock()
		for _, t := range s.tallies {
			all = append(all, t)
		}
		clear(s.tallies)
		s.mu.Unlock()
	}
	return all
}

// undrain adds what could not be saved to what is to be saved.
func (l *Limiter) undrain(all []apikey.Usage) {
	for _, u := range all {
		s := l.memory.keys.shard(u.ID)
		s.mu.Lock()
		t := s.tallies[tallyKey{u.ID, u.Day}]
		u.Charged += t.Charged
		u.Allowed += t.Allowed
		u.Limited += t.Limited
		u.Denied += t.Denied
		u.LastUsed = max(u.LastUsed, t.LastUsed)
		s.record(u)
		s.mu.Unlock()
	}
}
