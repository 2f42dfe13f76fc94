package shared

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/ratelimit"
)

// errAway is the answer while the breaker is open.
var errAway = fmt.Errorf("asking for limits: %w: it did not answer the last time", redis.ErrUnavailable)

// breaker keeps requests from an engine that is away. It opens when one was not
// answered, and closes when a probe is.
type breaker struct {
	isOpen atomic.Bool
	mu     sync.Mutex
	asked  question // the latest that had no answer
}

// question is what a probe repeats: of a Cluster, another key may be on a node
// that is well.
type question struct {
	id   apikey.ID
	caps ratelimit.Caps
}

func (b *breaker) open() bool { return b.isOpen.Load() }

func (b *breaker) trip(id apikey.ID, caps ratelimit.Caps) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = question{id, caps}
	b.isOpen.Store(true)
}

func (b *breaker) unanswered() question {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// without answers a request that the engine did not.
func (l *Limiter) without(id apikey.ID, caps *ratelimit.Caps, cost int, now time.Time, seen *apikey.Sighting, err error) (ratelimit.Result, error) {
	switch l.options.OnOutage {
	case Share:
		r := l.share(id, caps, cost, now)
		l.count(id, caps, cost, r.Allowed, now, seen)
		return r, nil
	case Open:
		s := l.memory.keys.shard(caps.Account)
		s.mu.Lock()
		defer s.mu.Unlock()
		a := l.atMost(s.entries[caps.Account], caps, now)
		r := a.balance()
		r.Allowed = true
		s.add(id, cost, true, now, seen)
		return r, nil
	default:
		return ratelimit.Result{}, err
	}
}

// share holds a request to this gateway's part of the limits. The sizes that the
// Result names are those of the whole limits, so that what clients are told of
// the policy does not change.
func (l *Limiter) share(id apikey.ID, caps *ratelimit.Caps, cost int, now time.Time) ratelimit.Result {
	r := l.local.Take(id, part(caps, l.options.Nodes()), cost, now)
	r.Minute.Limit, r.Day.Limit = caps.Burst, caps.PerDay
	r.WorkspaceMinute.Limit, r.WorkspaceDay.Limit = caps.WorkspaceLimits.PerMinute, caps.WorkspaceLimits.PerDay
	r.Never = !r.Allowed && (ratelimit.Never(caps.Limits, cost) || ratelimit.Never(caps.WorkspaceLimits.Limits(), cost))
	return r
}

// part returns an nth of the limits, rounded down, and at least 1 of each.
func part(caps *ratelimit.Caps, n int) ratelimit.Caps {
	of := func(limit uint32) uint32 {
		if limit == 0 {
			return 0
		}
		return max(1, limit/uint32(max(1, n)))
	}
	c := *caps
	c.PerMinute, c.Burst, c.PerDay = of(c.PerMinute), of(c.Burst), of(c.PerDay)
	c.WorkspaceLimits.PerMinute, c.WorkspaceLimits.PerDay = of(c.WorkspaceLimits.PerMinute), of(c.WorkspaceLimits.PerDay)
	return c
}
