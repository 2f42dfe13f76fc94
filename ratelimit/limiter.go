// Package ratelimit caps how often each key, and all keys of a workspace
// together, may be used: a token bucket per minute and a quota per UTC day for
// each of the two, charged together or not at all. It also counts failed
// authentications per client address.
//
// # Time
//
// The package has no clock: callers pass the time, best as time.Now returned
// it. Buckets then refill by its monotonic reading and do not notice when the
// wall clock is set. Where a time has none, and for days, which are a matter
// of the wall clock, a clock that is set back grants nothing:
//
//   - A bucket refills only by time that is new. A clock set back by up to a
//     minute refills nothing until it is where it was. Set back further, it is
//     followed, so that a clock that was wrong does not stop the refill for as
//     long as it was wrong; when it reaches or jumps to where it had been, the
//     time until there does not count again.
//   - Each key and workspace remembers its use on two days. A clock that
//     returns to a remembered day goes on with that day's count. A clock set
//     back to any other day goes on with the count it came from: only going
//     forward to a day that is not remembered starts a count at nothing. So an
//     exhausted key stays so when the clock is set back, and a clock that was
//     wrong costs a key at most the quota of one day.
//
// # Restarts
//
// What a Limiter holds can be carried over into the next one, so that a request
// is answered as if the process had gone on: counts by [Limiter.Drain] and
// [Limiter.Restore], which a caller saves every second or so to lose no more
// than that in a crash, and buckets by [Limiter.Buckets] and
// [Limiter.RestoreBucket]. A bucket that is not carried over, as after a crash,
// is full. The time in between is that of the wall clock, and the rules above
// hold: for that, restore the counts of the current day and of later ones,
// which exist where the clock was set back, and then call [Limiter.Sweep] once,
// which closes the days before.
//
// # Memory
//
// A key in use takes about 270 bytes, and a workspace in use about 290 and its
// name. Tables are 70 to 88 % full: a key takes 250 bytes before they grow, and
// 280 after. What is idle is swept, and its memory returned. A workspace without
// limits has no state.
package ratelimit

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Limiter holds the buckets and quotas of the keys and workspaces in use. All
// methods may be called at once from many goroutines; each is exact at any
// concurrency.
type Limiter struct {
	keys       table[apikey.ID]
	workspaces table[string]
	start      time.Time // what buckets measure time from
}

// New returns a Limiter that has seen no key.
func New() *Limiter {
	l := &Limiter{start: time.Now()}
	l.keys.init()
	l.workspaces.init()
	return l
}

// Take asks for a request that costs cost, 1–1,000 units. It charges the
// minute bucket and the day quota of the key, and those that its workspace
// has, all or none, and counts the request as allowed or limited.
//
// caps apply at once, also where a bucket runs with other limits: a smaller
// bucket takes away what is held beyond it, a larger one adds nothing but room
// that the refill fills, and a changed quota is compared with what was charged
// today. What is not in use starts with a full bucket.
//
// A workspace is charged only while it has a limit. Then both of its counts are
// kept, also where the other one is not limited.
func (l *Limiter) Take(id apikey.ID, caps Caps, cost int, now time.Time) Result {
	elapsed := now.Sub(l.start)
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, at := s.use(hash, id, caps.Limits, now, elapsed)
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
	} else {
		e.quota.today().limited++
	}
	e.quota.seen(now)
	s.queue(e)
	return r
}

// takeBoth decides on a request with the workspace's limits, too, and
// charges them. The lock of the key's shard must be held: it keeps what key
// holds as it is.
func (l *Limiter) takeBoth(key *holding, caps *Caps, cost int, now time.Time, elapsed time.Duration) Result {
	lim := caps.WorkspaceLimits.Limits()
	s, hash := l.workspaces.shard(caps.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, at := s.use(hash, caps.Workspace, lim, now, elapsed)
	r := settle(key, &holding{lim, e.minute.tokens(at, lim), &e.quota}, cost, now)
	if r.Allowed {
		if lim.PerMinute != 0 {
			e.minute.charge(at, cost)
		}
		s.queue(e)
	}
	return r
}

// Deny counts a request that was refused after authentication for a reason
// other than a limit. It charges nothing and reports the balance: of the
// Result, only the four balances are set.
func (l *Limiter) Deny(id apikey.ID, caps Caps, now time.Time) Result {
	elapsed := now.Sub(l.start)
	s, hash := l.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, at := s.use(hash, id, caps.Limits, now, elapsed)
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

// Peek returns what Take would return, and changes nothing.
func (l *Limiter) Peek(id apikey.ID, caps Caps, cost int, now time.Time) Result {
	elapsed := now.Sub(l.start)
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

// lookBoth returns what the workspace has left, with a copy of its quota in
// q.
func (l *Limiter) lookBoth(q *quota, caps *Caps, now time.Time, elapsed time.Duration) holding {
	lim := caps.WorkspaceLimits.Limits()
	s, hash := l.workspaces.shard(caps.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	return holding{lim, s.look(hash, caps.Workspace, q, lim, now, elapsed), q}
}

// Caps are the limits that a request is held to.
type Caps struct {
	apikey.Limits                          // of the key
	Workspace       string                 // whose bucket and quota are charged too, unless
	WorkspaceLimits apikey.WorkspaceLimits // is zero
}

func (c *Caps) alone() bool { return c.WorkspaceLimits == apikey.WorkspaceLimits{} }
