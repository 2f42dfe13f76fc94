package shared

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// memory is what this gateway knows of keys and workspaces.
type memory struct {
	keys       table[apikey.ID, entry]
	workspaces table[string, known]
}

func (m *memory) init() {
	m.keys.init()
	m.workspaces.init()
}

// memorable is for how long an answer is used. It bounds for how long a key is
// refused that the engine, having lost its counts, would let pass. In so much
// time every bucket fills.
const memorable = time.Minute

func (m *memory) sweep(elapsed time.Duration) {
	m.keys.sweep(func(e *entry) bool { return elapsed-e.known.asked > memorable })
	m.workspaces.sweep(func(k *known) bool { return elapsed-k.asked > memorable })
}

// known is what the engine has answered about a key or a workspace.
type known struct {
	held
	micros int64         // of the engine's clock
	asked  time.Duration // since the Limiter's start, before the engine answered
}

// at returns the most that can be left at a time, and the latest that the engine's
// clock can show then. Both are upper bounds: time is counted from before the answer,
// and what others have charged since is not known. ok is false if there is no answer,
// if it is too old, or if the day that it is about is over.
func (k *known) at(elapsed time.Duration) (h held, micros int64, ok bool) {
	passed := max(0, elapsed-k.asked)
	if k.lim == (apikey.Limits{}) || passed > memorable {
		return held{}, 0, false
	}
	since := int64((passed + time.Microsecond - 1) / time.Microsecond)
	if micros = k.micros + since; micros >= k.nextDay*microsPerDay {
		return held{}, 0, false
	}
	h = k.held
	h.parts = min(h.parts+since*int64(h.lim.PerMinute), int64(h.lim.Burst)*unit)
	return h, micros, true
}

// update takes an answer unless a later one is known.
func (k *known) update(h held, micros int64, asked time.Duration) {
	if k.lim != h.lim || asked >= k.asked {
		*k = known{h, micros, asked}
	}
}

// entry is what is known of an account: a key, and those that are on its account.
type entry struct {
	caps  ratelimit.Caps // what all else is about; its Account is never zero
	known known
	lease
}

// recollection is what memory has to say about a request.
type recollection struct {
	result ratelimit.Result
	ok     bool // result is the answer

	// wait is closed when there may be more to remember. It is of a batch that
	// another request has asked for.
	wait <-chan struct{}

	// lend is how many units to take from the engine beyond the request. When it
	// is not 0, renewed has to be called with renewal afterwards.
	lend    int64
	renewal chan struct{}
}

// remember answers a request from memory, if that is enough to tell.
func (l *Limiter) remember(id apikey.ID, caps *ratelimit.Caps, cost int, now time.Time, seen *apikey.Sighting, away bool) (m recollection) {
	s := l.memory.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[caps.Account]
	if e == nil || e.caps != *caps {
		return m
	}
	elapsed := now.Sub(l.start)
	if a, ok := l.account(e, caps, elapsed); ok {
		if e.spend(int64(cost), elapsed) {
			a.lend(e.left)
			m.result, m.ok = a.balance(), true
			m.result.Allowed = true
			s.add(id, cost, true, now, seen)
			return m
		}
		if r := a.judge(cost); r.Exhausted() {
			m.result, m.ok = r, true
			s.add(id, cost, false, now, nil)
			return m
		}
	}
	if l.options.Mode == Exact || away {
		return m
	}
	largest := l.largest(caps)
	if int64(cost) < largest {
		m.wait = e.renewal
	}
	if m.lend = e.renew(largest, int64(cost), l.options.Lease, elapsed); m.lend > 0 {
		m.renewal = e.renewal
	}
	return m
}

// account returns what there is at most for a key whose entry is about caps. The
// lock of its shard must be held.
func (l *Limiter) account(e *entry, caps *ratelimit.Caps, elapsed time.Duration) (a account, ok bool) {
	if a.key, a.micros, ok = e.known.at(elapsed); !ok || caps.WorkspaceLimits.IsZero() {
		return a, ok
	}
	s := l.memory.workspaces.shard(caps.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.entries[caps.Workspace]
	if k == nil || k.lim != caps.WorkspaceLimits.Limits() {
		return a, false
	}
	a.workspace, _, ok = k.at(elapsed)
	return a, ok
}

// atMost returns what there is at most, where nothing is known all of it. The
// lock of the key's shard must be held.
func (l *Limiter) atMost(e *entry, caps *ratelimit.Caps, now time.Time) account {
	if e != nil && e.caps == *caps {
		elapsed := now.Sub(l.start)
		if a, ok := l.account(e, caps, elapsed); ok {
			a.lend(e.holds(elapsed))
			return a
		}
	}
	micros := now.UnixMicro()
	a := account{key: unused(caps.Limits, micros), micros: micros}
	if !caps.WorkspaceLimits.IsZero() {
		a.workspace = unused(caps.WorkspaceLimits.Limits(), micros)
	}
	return a
}

// learn remembers the engine's answer to a request, unless a key was forgotten
// since it was asked.
func (l *Limiter) learn(caps *ratelimit.Caps, cost int, r *reply, asked time.Duration, forgets uint64) {
	l.learnKey(caps, cost, r, asked, forgets)
	if caps.WorkspaceLimits.IsZero() {
		return
	}
	s := l.memory.workspaces.shard(caps.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry(caps.Workspace).update(r.workspace, r.micros, asked)
}

func (l *Limiter) learnKey(caps *ratelimit.Caps, cost int, r *reply, asked time.Duration, forgets uint64) {
	s := l.memory.keys.shard(caps.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.forgets.Load() != forgets {
		return
	}
	e := s.entry(caps.Account)
	if e.caps != *caps {
		*e = entry{caps: *caps}
		e.since = asked
	}
	e.known.update(r.key, r.micros, asked)
	if r.lent > 0 {
		e.left, e.until = r.lent, asked+l.options.Lease
	}
	if r.passes {
		e.spent += int64(cost)
	}
}
