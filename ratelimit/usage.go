package ratelimit

import "github.com/socialpatra/keygate/apikey"

// usageKey names one day of one key.
type usageKey struct {
	id  apikey.ID
	day apikey.Day
}

// Restore puts back what was saved of a key's use on a day, exactly. It is for
// the start, before the key is used; of a key's days it keeps the latest two.
// Minute buckets are full after a start.
func (l *Limiter) Restore(u apikey.Usage) {
	s := l.shard(u.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[u.ID]
	if e == nil {
		e = s.add(u.ID, newQuota(u.Day, noDay))
	}
	q := &e.quota
	switch t := q.on(u.Day); {
	case t != nil:
		*t = tallyOf(u)
	case u.Day > q.days[0].day:
		q.days[0], q.days[1] = tallyOf(u), q.days[0]
		q.shown = u.Day
	case u.Day > q.days[1].day:
		q.days[1] = tallyOf(u)
	}
}

// Drain appends to dst the use of every key and day that changed since the
// last Drain, as totals of the day, and returns the extended slice. The caller
// saves them, and hands them to [Limiter.Undrain] where that fails.
func (l *Limiter) Drain(dst []apikey.Usage) []apikey.Usage {
	for i := range l.shards {
		dst = l.shards[i].drain(dst)
	}
	return dst
}

func (s *shard) drain(dst []apikey.Usage) []apikey.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.owed {
		dst = append(dst, u)
	}
	s.owed = nil
	for _, id := range s.unsaved {
		e := s.entries[id]
		if e == nil { // forgotten since
			continue
		}
		e.queued = false
		for i := range e.quota.days {
			if t := &e.quota.days[i]; t.unsaved {
				t.unsaved = false
				dst = append(dst, t.usage(id))
			}
		}
	}
	s.unsaved = s.unsaved[:0]
	return dst
}

// Undrain makes what an earlier Drain returned part of the next one again, as
// saving it failed. Where a key was used since, its newer totals stand.
func (l *Limiter) Undrain(usages []apikey.Usage) {
	for _, u := range usages {
		s := l.shard(u.ID)
		s.mu.Lock()
		if e := s.entries[u.ID]; e == nil {
			s.owe(u)
		} else if t := e.quota.on(u.Day); t == nil {
			s.owe(u)
		} else {
			t.unsaved = true
			s.queue(u.ID, e)
		}
		s.mu.Unlock()
	}
}

// queue has the key's unsaved counts saved. s.mu must be held.
func (s *shard) queue(id apikey.ID, e *entry) {
	if !e.queued {
		e.queued = true
		s.unsaved = append(s.unsaved, id)
	}
}

// owe has a count saved that no entry holds. Counts only grow, so of two for
// the same day the larger is the newer. s.mu must be held.
func (s *shard) owe(u apikey.Usage) {
	if s.owed == nil {
		s.owed = make(map[usageKey]apikey.Usage)
	}
	k := usageKey{u.ID, u.Day}
	if have := s.owed[k]; u.Allowed+u.Limited+u.Denied > have.Allowed+have.Limited+have.Denied {
		s.owed[k] = u
	}
}
