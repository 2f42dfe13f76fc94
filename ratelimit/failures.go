package ratelimit

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Failures is the budget of failed authentications of each client: a token bucket
// of perMinute tokens, refilled at perMinute/60 per second. A client is an IPv4
// address or an IPv6 /64, the smallest network that a subscriber gets.
//
// It always takes 1 MiB of memory and remembers up to 65,536 clients, in sets of
// eight places. Each client belongs to one set. When a set is full, it forgets
// the client whose budget is nearest to full. All methods are safe for concurrent
// use.
type Failures struct {
	start time.Time
	seed  maphash.Seed

	every time.Duration // time to refill one token
	depth time.Duration // time to refill all tokens

	locks [failureLocks]failureLock
	sets  [failureSets]failureSet
}

const (
	failureWays  = 8 // clients that share a set: two cache lines
	failureSets  = 65536 / failureWays
	failureLocks = 64 // each guards the sets whose number is its own modulo this
)

type failureLock struct {
	mu    sync.Mutex
	clock clock
	_     [24]byte // one cache line per lock
}

type failureSet [failureWays]struct {
	client uint64
	full   time.Duration // when the budget is full again; if in the past, there is nothing to remember
}

// NewFailures returns a budget of perMinute failures a minute for each client.
// perMinute must be at least 1.
func NewFailures(perMinute int) *Failures {
	n := time.Duration(perMinute)
	every := (time.Minute + n - 1) / n // rounded up, so that it never grants more than perMinute
	return &Failures{start: time.Now(), seed: maphash.MakeSeed(), every: every, depth: every * time.Duration(perMinute)}
}

// Charge records one failed authentication from addr and reports whether the
// client was still within its budget. If it was not, nothing is charged, and
// retryAfter is the time until it will be, in whole seconds, rounded up. The zone
// of addr is ignored, an IPv4-mapped IPv6 address counts as IPv4, and all invalid
// addresses are one client. A clock that is set back grants nothing; see the
// package comment.
func (f *Failures) Charge(addr netip.Addr, now time.Time) (within bool, retryAfter int) {
	return f.ask(addr, now, true)
}

// Peek returns what Charge would return, without charging.
func (f *Failures) Peek(addr netip.Addr, now time.Time) (within bool, retryAfter int) {
	return f.ask(addr, now, false)
}

func (f *Failures) ask(addr netip.Addr, now time.Time, charge bool) (within bool, retryAfter int) {
	client := clientOf(addr)
	n := maphash.Comparable(f.seed, client) % failureSets
	l, set := &f.locks[n%failureLocks], &f.sets[n]
	l.mu.Lock()
	defer l.mu.Unlock()
	clock := l.clock.next(now.Sub(f.start))
	if charge {
		l.clock = clock
	}
	at := clock.time

	slot := &set[0]
	for i := range set {
		if set[i].client == client {
			slot = &set[i]
			break
		}
		if set[i].full < slot.full {
			slot = &set[i]
		}
	}
	full := at
	if slot.client == client {
		full = max(full, slot.full)
	}
	full += f.every
	if over := full - (at + f.depth); over > 0 {
		return false, int((over + time.Second - 1) / time.Second)
	}
	if charge {
		slot.client, slot.full = client, full
	}
	return true, 0
}

// clientOf returns the number that stands for an address: the first 64 bits of an
// IPv6 address. All other addresses get numbers from 0:1::/32 and 0:2::/32, where
// no network exists.
func clientOf(addr netip.Addr) uint64 {
	switch addr = addr.Unmap(); {
	case addr.Is4():
		a := addr.As4()
		return 1<<32 | uint64(binary.BigEndian.Uint32(a[:]))
	case addr.Is6():
		a := addr.As16()
		return binary.BigEndian.Uint64(a[:8])
	default:
		return 2 << 32
	}
}
