// Package lasting ends requests that outlive their key: event streams, long
// polls, downloads, uploads and WebSockets.
//
// Every request that a key has opened is in a [Set] while it is served. It costs
// two locks of a shard, and allocates nothing. Only requests that last for longer
// than a round are looked at.
package lasting

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

const (
	// Every is how often all requests that last are looked at. A request may join
	// just after a look, and is passed over in the next one, so it outlives its
	// key by two rounds at most.
	Every = time.Second

	// cutEvery is how often a request is cut again that must end and has not: a
	// handler may have set a deadline of its own in between.
	cutEvery = 50 * time.Millisecond

	// closeGrace is how long requests may go on when the store is closed.
	closeGrace = 4 * time.Second

	triesToClose = int(time.Second / cutEvery)
	mostTries    = int(5 * time.Second / cutEvery)
)

// shards is a power of two, enough for locks to be free on many processors.
const shards = 64

// Set is what is being served to keys. The zero Set is empty and ready.
type Set struct {
	shards [shards]shard
	round  atomic.Uint32

	looking sync.Mutex // one look at a time; it guards the following
	lasting []*Request // what is looked at in this round; kept for its space
	ending  []*Request // what was cut and is still there
}

// shard is one part of a set: a linked list of requests. It is padded to 64 bytes.
type shard struct {
	mu     sync.Mutex
	first  *Request
	closed bool // nothing may join
	_      [64 - 8 - 8 - 1]byte
}

// Join adds a request that is about to be forwarded. The writer is the one that
// answers it. If cancel is not nil, it ends the request's own context. The caller
// must call [Request.Leave].
func (s *Set) Join(r *Request, id apikey.ID, hash apikey.Hash, w http.ResponseWriter, cancel context.CancelFunc) {
	sh := &s.shards[rand.Uint32()%shards] //nolint:gosec // it spreads, and hides nothing
	r.shard, r.round = sh, s.round.Load()
	r.id, r.hash, r.w, r.cancel = id, hash, w, cancel
	sh.mu.Lock()
	if r.next = sh.first; r.next != nil {
		r.next.prev = r
	}
	sh.first = r
	closed := sh.closed
	sh.mu.Unlock()
	if closed {
		r.end(access.StoreUnavailable)
	}
}

func (sh *shard) remove(r *Request) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if r.next != nil {
		r.next.prev = r.prev
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		sh.first = r.next
	}
	r.next, r.prev = nil, nil
}

// Len returns how many requests are being served.
func (s *Set) Len() (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for r := sh.first; r != nil; r = r.next {
			n++
		}
		sh.mu.Unlock()
	}
	return n
}

// Keep looks after the set until stop is closed.
func (s *Set) Keep(store keystore.Grants, now func() time.Time, stop <-chan struct{}) {
	look := time.NewTicker(Every)
	defer look.Stop()
	var cut <-chan time.Time
	for {
		select {
		case <-stop:
			return
		case <-look.C:
			s.Look(store, now())
		case <-cut:
			s.cutAgain()
		}
		cut = nil
		if s.ends() {
			cut = time.After(cutEvery)
		}
	}
}

// ends reports whether something was cut that is still there.
func (s *Set) ends() bool {
	s.looking.Lock()
	defer s.looking.Unlock()
	return len(s.ending) > 0
}

// Look ends what lasts and has a key that is not active at the instant now, or
// that cannot be looked up. It holds no shard during look-ups, which may take long.
func (s *Set) Look(store keystore.Grants, now time.Time) {
	s.looking.Lock()
	defer s.looking.Unlock()
	round := s.round.Add(1)
	s.lasting = s.lasting[:0]
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for r := sh.first; r != nil; r = r.next {
			if r.round+1 != round {
				s.lasting = append(s.lasting, r)
			}
		}
		sh.mu.Unlock()
	}
	for _, r := range s.lasting {
		if why := reasonToEnd(store, r, now); why != access.Allowed && r.end(why) {
			s.ending = append(s.ending, r)
		}
	}
	clear(s.lasting) // so that they can be collected once they have left
}

// reasonToEnd returns how the next request of a request's key is refused because
// of what the key is now, or [access.Allowed].
func reasonToEnd(store keystore.Grants, r *Request, now time.Time) access.Reason {
	grant, found, err := store.Lookup(r.id)
	switch {
	case err != nil:
		return access.StoreUnavailable
	case !found || !grant.Hash.Equal(r.hash):
		return access.InvalidKey
	default:
		return access.OfStatus(grant.Status(now))
	}
}

// cutAgain cuts what must end and is still there, and forgets the rest.
func (s *Set) cutAgain() {
	s.looking.Lock()
	defer s.looking.Unlock()
	still := s.ending[:0]
	for _, r := range s.ending {
		if r.again() {
			still = append(still, r)
		}
	}
	clear(s.ending[len(still):])
	s.ending = still
}

// Close says that the store is closed, so that nobody can tell any more whether a
// key is good. What is about to finish may do so; the rest ends soon.
func (s *Set) Close() { time.AfterFunc(closeGrace, s.endAll) }

// endAll ends all requests, and all that join later.
func (s *Set) endAll() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.closed = true
		for r := sh.first; r != nil; r = r.next {
			r.end(access.StoreUnavailable)
		}
		sh.mu.Unlock()
	}
}
