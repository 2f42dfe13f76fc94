package ratelimit

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// This file is about a key that is on the account of another. It touches two
// entries: the account's is charged, its own counts. As nobody holds two locks of
// one table, the second follows the first: between the two, a request is charged
// and not counted yet.

// shared reports whether the key is on the account of another.
func (c *Caps) shared(id apikey.ID) bool { return c.Account != id && c.Account != apikey.ID{} }

func (l *Limiter) takeShared(id apikey.ID, caps *Caps, cost int, now time.Time, elapsed time.Duration, seen *apikey.Sighting) Result {
	r := l.charge(caps, cost, now, elapsed)
	l.count(id, now, elapsed, func(s *shard[apikey.ID], e *entry[apikey.ID], cell int) {
		if r.Allowed {
			e.quota.today().allowed++
			if !s.knows(cell, seen) {
				s.see(cell, seen)
			}
		} else {
			e.quota.today().limited++
		}
	})
	return r
}

func (l *Limiter) denyShared(id apikey.ID, caps *Caps, now time.Time, elapsed time.Duration) Result {
	l.count(id, now, elapsed, func(_ *shard[apikey.ID], e *entry[apikey.ID], _ int) { e.quota.today().denied++ })
	s, hash := l.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	var q, all quota
	key := holding{caps.Limits, s.look(hash, caps.Account, &q, caps.Limits, now, elapsed), &q}
	var r Result
	if caps.alone() {
		r.balance(&key, nil, now)
		return r
	}
	workspace := l.lookBoth(&all, caps, now, elapsed)
	r.balance(&key, &workspace, now)
	return r
}

// charge decides on a request, and charges the account for it.
func (l *Limiter) charge(caps *Caps, cost int, now time.Time, elapsed time.Duration) (r Result) {
	s, hash := l.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, e, at := s.use(hash, caps.Account, caps.Limits, now, elapsed)
	key := holding{caps.Limits, e.minute.tokens(at, caps.Limits), &e.quota}
	if caps.alone() {
		r = settle(&key, nil, cost, now)
	} else {
		r = l.takeBoth(&key, caps, cost, now, elapsed)
	}
	if r.Allowed {
		e.minute.charge(at, cost)
		s.queue(e)
	}
	return r
}

// count adds a request to what a key did today. Its own bucket is not touched.
func (l *Limiter) count(id apikey.ID, now time.Time, elapsed time.Duration, add func(s *shard[apikey.ID], e *entry[apikey.ID], cell int)) {
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	cell, e, _ := s.use(hash, id, apikey.Limits{}, now, elapsed)
	add(s, e, cell)
	e.quota.seen(now)
	s.queue(e)
}
