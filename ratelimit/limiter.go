// Package ratelimit limits how often a key, and how often all keys of a workspace
// together, may be used. Each of the two has a token bucket per minute and a
// quota per UTC day. One request charges all of these limits or none. Several keys
// may share what one has, see [Caps.Account]. The package also counts failed
// authentications per client address, see [Failures].
//
//   - The minute bucket holds at most Burst tokens and refills continuously, at
//     PerMinute tokens a minute.
//   - The day quota is PerDay units and starts anew at 00:00 UTC.
//   - A request costs 1 to 1,000 units, which come out of both.
//
// [Limiter.Take] decides and charges, [Limiter.Deny] counts a request that was
// refused for another reason, and [Limiter.Peek] looks without changing anything.
// All of it happens in memory; a caller that wants the state to survive saves it,
// see Restarts below.
//
// # Time
//
// The package has no clock: callers pass the time, best as time.Now returned it.
// Buckets then refill by its monotonic reading and do not notice when the wall
// clock is set. Days follow the wall clock, and so do buckets where a time has no
// monotonic reading. A wall clock that is set back grants nothing:
//
//   - A bucket refills only by time that is new. If the clock is set back by up
//     to a minute, buckets do not refill until it has caught up. If it is set
//     back further, buckets follow it, so that a clock that was wrong does not
//     stop the refill for as long as it was wrong. When the clock later reaches
//     or jumps to where it had been, the time up to there does not count again.
//   - Each key and workspace remembers its use on two days. If the clock returns
//     to a remembered day, that day's count continues. If it is set back to any
//     other day, the current count continues. Only a step forward to a day that
//     is not remembered starts a new count. So an exhausted key stays exhausted
//     when the clock is set back, and a clock that was wrong costs a key at most
//     the quota of one day.
//
// # Restarts
//
// The state of a Limiter can be carried over into the next one, which then
// answers as if the process had not ended. Counts are carried by [Limiter.Drain]
// and [Limiter.Restore]; a caller that saves them every second loses no more than
// a second of counts in a crash. Buckets are carried by [Limiter.Buckets] and
// [Limiter.RestoreBucket]; a bucket that is not, as after a crash, is full.
//
// The wall clock measures the time between the two processes, and the rules above
// hold. So restore the counts of the current day and of later days, which exist
// only if the clock was set back. Then call [Limiter.Sweep] once, which closes
// the days before.
//
// # Memory
//
// A key in use takes about 240 bytes, and one that is on the account of another as
// much again for the account, which all of those share. A deleted key keeps them
// until its day is over. A workspace in use takes about 180 bytes and its name.
// Tables are 70 to 88 % full: a key takes 200 bytes just before they grow, and 245
// after. Sweep drops idle keys and returns their memory. A workspace without
// limits has no state.
package ratelimit

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Limiter holds the buckets and quotas of the keys and workspaces in use. All
// methods are safe for concurrent use, and all are exact at any concurrency.
type Limiter struct {
	keys       table[apikey.ID]
	workspaces table[string]
	start      time.Time // buckets measure time from here
}

// New returns a Limiter that has seen no key.
func New() *Limiter {
	l := &Limiter{start: time.Now()}
	l.keys.init()
	l.workspaces.init()
	return l
}

// Take decides on a request that costs cost units, 1–1,000. It charges the
// minute bucket and the day quota of the key, and those that its workspace has:
// all of them or none. It counts the request as allowed or limited.
//
// Changed caps apply at once, also to a bucket that runs with other limits. A
// smaller bucket loses the tokens beyond its size. A larger one gains only room,
// which the refill fills. A changed quota is compared with what was charged
// today. A key or workspace that is not in use starts with a full bucket.
//
// A workspace is charged only while it has a limit. Then both of its counts are
// kept, even if only one of them is limited.
func (l *Limiter) Take(id apikey.ID, caps Caps, cost int, now time.Time) Result {
	return l.TakeSeen(id, caps, cost, now, &apikey.Sighting{})
}

// TakeSeen is Take of a request that shows something of the use of its key. That
// counts if the request passes, unless seen has no Scopes.
func (l *Limiter) TakeSeen(id apikey.ID, caps Caps, cost int, now time.Time, seen *apikey.Sighting) Result {
	elapsed := now.Sub(l.start)
	if caps.shared(id) {
		return l.takeShared(id, &caps, cost, now, elapsed, seen)
	}
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	cell, e, at := s.use(hash, id, caps.Limits, now, elapsed)
	known := s.knows(cell, seen) // asked for early, so that its memory is fetched while the rest is computed
	key := holding{caps.Limits, e.minute.tokens(at, caps.Limits), &e.quota}
	var r Result
	if caps.alone() {
		r = settle(&key, nil, cost, now)
	} else {
		r = l.takeBoth(&key, &caps, cost, now, elapsed)
	}
	if r.Allowed {
		e.minute.charge(at, cost)
		e.quota.today().allowed++
		if !known {
			s.see(cell, seen)
		}
	} else {
		e.quota.today().limited++
	}
	e.quota.seen(now)
	s.queue(e)
	return r
}

// takeBoth decides on a request that the workspace limits too, and charges all
// limits. The caller must hold the lock of the key's shard, so that key does not
// change meanwhile.
func (l *Limiter) takeBoth(key *holding, caps *Caps, cost int, now time.Time, elapsed time.Duration) Result {
	lim := caps.WorkspaceLimits.Limits()
	s, hash := l.workspaces.shard(caps.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, e, at := s.use(hash, caps.Workspace, lim, now, elapsed)
	r := settle(key, &holding{lim, e.minute.tokens(at, lim), &e.quota}, cost, now)
	if r.Allowed {
		if lim.PerMinute != 0 {
			e.minute.charge(at, cost)
		}
		s.queue(e)
	}
	return r
}

// Deny counts a request that was refused after authentication for a reason other
// than a limit. It charges nothing. Only the four balances of the Result are set.
func (l *Limiter) Deny(id apikey.ID, caps Caps, now time.Time) Result {
	elapsed := now.Sub(l.start)
	if caps.shared(id) {
		return l.denyShared(id, &caps, now, elapsed)
	}
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, e, at := s.use(hash, id, caps.Limits, now, elapsed)
	e.quota.today().denied++
	e.quota.seen(now)
	s.queue(e)
	var r Result
	key := holding{caps.Limits, e.minute.tokens(at, caps.Limits), &e.quota}
	if caps.alone() {
		r.balance(&key, nil, now)
		return r
	}
	var q quota
	workspace := l.lookBoth(&q, &caps, now, elapsed)
	r.balance(&key, &workspace, now)
	return r
}

// Peek returns what Take would return, without charging or counting.
func (l *Limiter) Peek(id apikey.ID, caps Caps, cost int, now time.Time) Result {
	elapsed := now.Sub(l.start)
	id = caps.AccountOf(id)
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	var q, all quota
	key := holding{caps.Limits, s.look(hash, id, &q, caps.Limits, now, elapsed), &q}
	if caps.alone() {
		return settle(&key, nil, cost, now)
	}
	workspace := l.lookBoth(&all, &caps, now, elapsed)
	return settle(&key, &workspace, cost, now)
}

// lookBoth returns what the workspace has left. It copies the workspace's quota
// into q.
func (l *Limiter) lookBoth(q *quota, caps *Caps, now time.Time, elapsed time.Duration) holding {
	lim := caps.WorkspaceLimits.Limits()
	s, hash := l.workspaces.shard(caps.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	return holding{lim, s.look(hash, caps.Workspace, q, lim, now, elapsed), q}
}

// Caps are the limits that apply to a request.
type Caps struct {
	apikey.Limits                          // of the key
	Workspace       string                 // its bucket and quota are charged too, unless
	WorkspaceLimits apikey.WorkspaceLimits // is zero

	// Account is the key whose bucket and quota are charged, the zero ID for the
	// key that is used. So keys with one account have together what one of them
	// would have alone; each is held to its own limits, and the bucket runs with
	// those of the key that was used last. Requests are counted for the key that
	// is used.
	Account apikey.ID
}

// AccountOf returns the key that is charged when the key id is used.
func (c *Caps) AccountOf(id apikey.ID) apikey.ID {
	if c.Account.IsZero() {
		return id
	}
	return c.Account
}

func (c *Caps) alone() bool { return c.WorkspaceLimits == apikey.WorkspaceLimits{} }
