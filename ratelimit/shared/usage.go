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
type tally struct {
	apikey.Usage                  // without Seen
	watch        *ratelimit.Watch // of the key; nil until a request that passed has shown something
}

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
func (s *shard[K, V]) add(id apikey.ID, cost int, passes bool, now time.Time, seen *apikey.Sighting) {
	t := s.tally(id, now)
	if passes {
		t.Allowed++
		t.Charged += uint64(cost)
		s.see(&t, seen)
	} else {
		t.Limited++
	}
	s.record(t)
}

func (l *Limiter) count(id apikey.ID, caps *ratelimit.Caps, cost int, passes bool, now time.Time, seen *apikey.Sighting) {
	s := l.memory.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(id, cost, passes, now, seen)
}

// drain appends what is not saved yet, and counts anew.
func (l *Limiter) drain(all []apikey.Usage) []apikey.Usage {
	for i := range l.memory.keys.shards {
		s := &l.memory.keys.shards[i]
		s.mu.Lock()
		for _, t := range s.tallies {
			all = drainSeen(append(all, t.Usage), t.watch)
		}
		clear(s.tallies)
		all = s.drainOwed(all)
		s.mu.Unlock()
	}
	return all
}

// undrain adds what could not be saved to what is to be saved.
func (l *Limiter) undrain(all []apikey.Usage) {
	for _, u := range all {
		s := l.memory.keys.shard(u.ID)
		s.mu.Lock()
		if u.Seen != nil {
			s.oweSeen(tallyKey{u.ID, u.Day}, u.Seen)
		}
		if u.Counts() {
			t := s.tallies[tallyKey{u.ID, u.Day}]
			t.ID, t.Day = u.ID, u.Day
			t.Charged += u.Charged
			t.Allowed += u.Allowed
			t.Limited += u.Limited
			t.Denied += u.Denied
			t.LastUsed = max(u.LastUsed, t.LastUsed)
			s.record(t)
		}
		s.mu.Unlock()
	}
}
