package shared

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// lease is what this gateway has taken of an account's limits, and how it uses them.
type lease struct {
	left  int64         // units that were charged on the engine and not used
	until time.Duration // since the Limiter's start, as since: when left is lost

	spent  int64 // units that were used after since
	since  time.Duration
	demand int64 // units that were used in the time of a lease before since

	renewal chan struct{} // of the request for more that is under way; nil: none is
}

// maxWaits is how often a request waits for a batch that others have asked for,
// and then use up, before it asks for itself.
const maxWaits = 10

// holds returns the units that may still be used.
func (b *lease) holds(elapsed time.Duration) int64 {
	if elapsed >= b.until {
		return 0
	}
	return b.left
}

// spend takes the cost of a request from the lease, if it holds that.
func (b *lease) spend(cost int64, elapsed time.Duration) bool {
	if cost > b.holds(elapsed) {
		return false
	}
	b.left -= cost
	b.spent += cost
	return true
}

// renew returns how many units to take besides the cost of a request: what the
// key used in the time of a lease, or half of what it has used since, at most
// largest together with the cost, and none while other units are under way. A
// key that is used less often than once in a lease gets none. When it is not 0,
// renewal is set.
func (b *lease) renew(largest, cost int64, life, elapsed time.Duration) int64 {
	if gap := elapsed - b.since; gap >= life {
		b.demand = int64(float64(b.spent) * float64(life) / float64(gap))
		b.since, b.spent = elapsed, 0
	}
	lend := min(max(b.demand, b.spent/2), largest) - cost
	if lend <= 0 || b.renewal != nil {
		return 0
	}
	b.renewal = make(chan struct{})
	return lend
}

// renewed lets those go on that wait for more.
func (l *Limiter) renewed(id apikey.ID, renewal chan struct{}) {
	s := l.memory.keys.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	// The key may have been forgotten, and be asked for again.
	if e := s.entries[id]; e != nil && e.renewal == renewal {
		e.renewal = nil
	}
	close(renewal)
}

// largest returns the largest batch of a key: Options.Batch, but no more than refills
// in a lease, so that a fleet is never short for longer than that. The script keeps a
// batch to half of what is left.
func (l *Limiter) largest(caps *ratelimit.Caps) int64 {
	perMinute := caps.PerMinute
	if all := caps.WorkspaceLimits.PerMinute; all != 0 {
		perMinute = min(perMinute, all)
	}
	return min(int64(l.options.Batch), int64(perMinute)*int64(l.options.Lease)/int64(time.Minute))
}
