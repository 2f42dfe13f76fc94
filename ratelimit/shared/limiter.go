// Package shared caps how often each key, and all keys of a workspace together,
// may be used at all gateways of a fleet. The limits are those of package
// ratelimit; the counts are on one engine, and so is the clock they go by.
//
// # Exact
//
// A request that may pass is one trip to the engine. In any time t the fleet
// passes at most Burst + PerMinute*t of a key, and PerDay a day, as one gateway
// would. That presumes that the engine loses nothing and that its clock is not
// set forward; one that is set back, and forward to where it was, grants
// nothing. An answer that does not arrive in time may have been charged.
//
// # Memory of denials
//
// What an engine has answered tells how much there can be at most from then on.
// A request that is more than that is refused without a trip, so that a flood on
// an exhausted key costs the engine nothing. What the engine would let pass is
// refused for longer than RetryAfter says only where the engine has forgotten
// its counts or its clock was set forward, and then for at most a minute.
//
// # Leases
//
// In the mode Leased, a gateway takes batches for the keys that need more than
// one trip in a lease. A batch is what the gateway used in a lease before, or half
// of what it has used since, within Options.Batch and what refills in a lease,
// and at most half of what is left. What is not used when the lease ends is lost: it counts as used, also of
// the day. With M gateways, batches of N, leases of L and a key that refills at
// R, the fleet passes at most min(M(N-1), R*L) more than in the mode Exact in
// any time, and may be short of (M-1)(N-1) for as long as L.
//
// # Outages
//
// While the engine is away, no request waits for it: Limiter.Run looks whether it
// is back, and until then Options.OnOutage decides at once. Only requests that
// are on their way when the engine goes take as long as the timeout of its
// connection. With Share each of M gateways passes at most an Mth of Burst,
// PerMinute and PerDay, but 1 if that is less, whatever was used before. So with outages of d in a time
// t the fleet passes at most 2*Burst + PerMinute*(t+d), and twice PerDay a day.
// A request that costs more than a gateway's share waits for the engine.
package shared

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/ratelimit"
)

// Limiter holds keys and workspaces to limits that a fleet shares. All methods
// may be called at once from many goroutines. The time that callers pass is for
// this gateway's memory and counts alone, and best as time.Now returned it.
type Limiter struct {
	options Options
	engine  engine
	start   time.Time // what memory measures time from
	memory  memory
	forgets atomic.Uint64 // changes with every Forget
	breaker breaker
	local   *ratelimit.Limiter // the share of this gateway during outages
}

// New returns a Limiter on an engine. The Options are those that Check accepts.
// [Limiter.Run] has to be running for as long as the Limiter is used.
func New(conn *redis.Conn, o Options) *Limiter {
	l := &Limiter{
		options: o.withDefaults(),
		engine:  engine{conn, redis.NewScript(takeSource)},
		start:   time.Now(),
		local:   ratelimit.New(),
	}
	l.memory.init()
	return l
}

// Take asks for a request that costs cost, 1–1,000 units, as
// [ratelimit.Limiter.Take] does. What is left in the Result is as of the
// engine's last answer, and in the mode Leased as this gateway knows it.
//
// It takes as long as the timeout of the connection at most. In the mode Leased it
// may before that wait for answers to others that ask for a batch; when one does
// not come, this request is not sent.
//
// An error means that the request must not pass. It wraps redis.ErrUnavailable
// where the engine is away and Options.OnOutage is Closed.
func (l *Limiter) Take(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error) {
	return l.TakeSeen(id, caps, cost, now, &apikey.Sighting{})
}

// TakeSeen is Take of a request that shows something of the use of its key. That
// counts if the request passes, unless seen has no Scopes.
func (l *Limiter) TakeSeen(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time, seen *apikey.Sighting) (ratelimit.Result, error) {
	caps.Account = caps.AccountOf(id) // so that the caps of keys on one account are the same
	away := l.breaker.open()
	m := l.remember(id, &caps, cost, now, seen, away)
	for waits := 0; m.wait != nil && waits < maxWaits; waits++ {
		asked := time.Now()
		<-m.wait
		now = now.Add(time.Since(asked))
		away = l.breaker.open()
		m = l.remember(id, &caps, cost, now, seen, away)
	}
	if m.ok {
		return m.result, nil
	}
	if away {
		return l.without(id, &caps, cost, now, seen, errAway)
	}
	return l.ask(id, &caps, cost, now, seen, &m)
}

// ask asks the engine for a request that memory does not answer.
func (l *Limiter) ask(id apikey.ID, caps *ratelimit.Caps, cost int, now time.Time, seen *apikey.Sighting, m *recollection) (ratelimit.Result, error) {
	if m.renewal != nil {
		defer l.renewed(caps.Account, m.renewal)
	}
	forgets := l.forgets.Load()
	reply, err := l.engine.charge(id, caps, cost, int(m.lend))
	if errors.Is(err, redis.ErrUnavailable) {
		l.breaker.trip(id, *caps)
		return l.without(id, caps, cost, now, seen, err)
	}
	if err != nil {
		return ratelimit.Result{}, err
	}
	l.learn(caps, cost, &reply, now.Sub(l.start), forgets)
	l.count(id, caps, cost, reply.passes, now, seen)
	reply.lend(reply.lent)
	return reply.result(cost), nil
}

// Deny counts a request that was refused after authentication for a reason
// other than a limit. It charges nothing, asks nobody, and reports the balance
// as far as it is known here; what is not is reported as full.
func (l *Limiter) Deny(id apikey.ID, caps ratelimit.Caps, now time.Time) ratelimit.Result {
	caps.Account = caps.AccountOf(id)
	s := l.memory.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally(id, now)
	t.Denied++
	s.record(t)
	a := l.atMost(s.entries[caps.Account], &caps, now)
	return a.balance()
}

// Peek asks the engine what Take would return in the mode Exact, and changes
// nothing.
func (l *Limiter) Peek(id apikey.ID, caps ratelimit.Caps, cost int) (ratelimit.Result, error) {
	if l.breaker.open() {
		return ratelimit.Result{}, errAway
	}
	reply, err := l.engine.look(id, &caps, cost)
	if err != nil {
		return ratelimit.Result{}, err
	}
	return reply.result(cost), nil
}

// Forget drops what this gateway remembers of a key that was changed or
// deleted. What it was charged stays on the engine until the day after, for keys
// that are on its account, and so does its part of this gateway's share.
func (l *Limiter) Forget(id apikey.ID) {
	l.forgets.Add(1) // so that no answer that is under way is remembered
	l.local.Forget(id)
	l.memory.rewatch(id, false)
	s := l.memory.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, id)
}
