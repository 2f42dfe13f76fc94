package redisstore

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/socialpatra/keygate/internal/redis"
)

// Bounds of a cache, over all of its shards.
const (
	mostKnown   = 1_000_000
	mostUnknown = 65_536
	idle        = 60 // minutes after which an answer that nobody asks for goes
	cacheShards = 64
)

// cache keeps answers of the engine for as long as they are current. A marker is
// put in place before the engine is asked, and the answer is stored only if the
// marker is still there. An invalidation also removes markers, so a change
// between the reply and its storing is not overlooked.
type cache[K comparable, V any] struct {
	tracking *redis.Tracking
	read     func(K) (v V, known bool, err error) // asks the engine
	patience time.Duration                        // with an engine that has not proved itself

	seed   maphash.Seed
	shards [cacheShards]shard[K, V]
	minute atomic.Uint32 // grows by sweeping
	era    atomic.Uint64 // grows when all answers have become doubtful
}

type shard[K comparable, V any] struct {
	mu      sync.RWMutex
	known   map[K]*answer[V] // and markers
	unknown map[K]*answer[V] // what the engine does not have
	_       [24]byte
}

// answer is what the engine said, or the marker of an answer to come. It is
// not changed once it is ready, but for used.
type answer[V any] struct {
	value V
	known bool
	ready bool
	gen   *redis.Generation
	era   uint64
	used  atomic.Uint32 // the minute in which it was last asked for

	// Of a marker.
	old  *answer[V] // what was there before, to be used while the engine is away; or nil
	done chan struct{}
	err  error
}

func newCache[K comparable, V any](patience time.Duration, read func(K) (V, bool, error)) *cache[K, V] {
	c := &cache[K, V]{read: read, patience: patience, seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].known = make(map[K]*answer[V])
		c.shards[i].unknown = make(map[K]*answer[V])
	}
	return c
}

func (c *cache[K, V]) shard(k K) *shard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, k)%cacheShards]
}

// find returns the answer for k or its marker, or nil. The caller holds s.mu.
func (s *shard[K, V]) find(k K) *answer[V] {
	if a := s.known[k]; a != nil {
		return a
	}
	return s.unknown[k]
}

// get returns what the engine has. From memory it allocates nothing.
func (c *cache[K, V]) get(k K) (v V, known bool, err error) {
	s := c.shard(k)
	s.mu.RLock()
	a := s.find(k)
	s.mu.RUnlock()
	if a != nil && c.holds(a) {
		if minute := c.minute.Load(); a.used.Load() != minute { // written seldom, for it is shared
			a.used.Store(minute)
		}
		return a.value, a.known, nil
	}
	return c.miss(s, k)
}

// holds reports whether an answer is what the engine has.
func (c *cache[K, V]) holds(a *answer[V]) bool {
	return a.ready && a.era == c.era.Load() && c.tracking.Proven(a.gen)
}

// miss asks the engine, or waits for somebody who does.
func (c *cache[K, V]) miss(s *shard[K, V], k K) (v V, known bool, err error) {
	s.mu.Lock()
	a := s.find(k)
	if a != nil && c.holds(a) { // meanwhile
		s.mu.Unlock()
		return a.value, a.known, nil
	}
	if a != nil && !a.ready && a.gen == c.tracking.Generation() && a.era == c.era.Load() {
		s.mu.Unlock()
		<-a.done // its read has a timeout
		return a.value, a.known, a.err
	}
	marker := &answer[V]{gen: c.tracking.Generation(), era: c.era.Load(), done: make(chan struct{})}
	if marker.old = a; a != nil && !a.ready {
		marker.old = a.old
	}
	delete(s.unknown, k)
	s.known[k] = marker
	s.mu.Unlock()

	c.fill(s, k, marker)
	close(marker.done)
	return marker.value, marker.known, marker.err
}

// errUnproven is why an answer that came is not believed.
var errUnproven = fmt.Errorf("%w: it answers, but does not take the write that proves that its answer counts", redis.ErrUnavailable)

// fill reads what a marker stands for, and puts the answer in its place.
func (c *cache[K, V]) fill(s *shard[K, V], k K, marker *answer[V]) {
	a := &answer[V]{ready: true, gen: marker.gen, era: marker.era}
	a.used.Store(c.minute.Load())
	a.value, a.known, marker.err = c.read(k)
	if marker.err == nil && !c.tracking.AwaitProof(c.patience) {
		marker.err = errUnproven
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.known[k] == marker
	if mine {
		delete(s.known, k)
	}
	if marker.err != nil {
		if old := marker.old; old != nil && mine {
			s.put(k, old)
		}
		if old := marker.old; old != nil && c.tracking.Usable(old.gen) {
			marker.value, marker.known, marker.err = old.value, old.known, nil
		}
		return
	}
	marker.value, marker.known = a.value, a.known
	if mine && marker.gen == c.tracking.Generation() {
		s.put(k, a)
	}
}

// put stores an answer, within the bounds: any other one has to make room. The
// caller holds s.mu.
func (s *shard[K, V]) put(k K, a *answer[V]) {
	answers, most := s.known, mostKnown/cacheShards
	if !a.known {
		answers, most = s.unknown, mostUnknown/cacheShards
	}
	if len(answers) >= most {
		for other, o := range answers {
			if o.ready {
				delete(answers, other)
				break
			}
		}
	}
	answers[k] = a
}

// heard drops the answer for a key that was invalidated. An answer of an older
// generation stays. It is read again anyway, and an engine that loads its file
// after a start invalidates every key.
func (c *cache[K, V]) heard(k K) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.find(k); a != nil && a.gen == c.tracking.Generation() {
		s.drop(k)
	}
}

// forget drops the answer for a key that this process has changed.
func (c *cache[K, V]) forget(k K) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(k)
}

func (s *shard[K, V]) drop(k K) {
	delete(s.known, k)
	delete(s.unknown, k)
}

// forgetAll makes all answers doubtful.
func (c *cache[K, V]) forgetAll() { c.era.Add(1) }

// sweep is called once a minute, and drops what nobody asks for.
func (c *cache[K, V]) sweep() {
	minute := c.minute.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, answers := range []map[K]*answer[V]{s.known, s.unknown} {
			for k, a := range answers {
				if a.ready && minute-a.used.Load() > idle {
					delete(answers, k)
				}
			}
		}
		s.mu.Unlock()
	}
}
