package shared

import (
	"hash/maphash"
	"sync"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// shardCount keeps contention small, and the pause of a sweep.
const shardCount = 64

// shardSize bounds what is remembered: 65,536 keys in about 200 bytes each, and
// as many workspaces. What is forgotten costs a trip to the engine.
const shardSize = 1024

// table remembers what is known of keys or of workspaces.
type table[K comparable, V any] struct {
	seed   maphash.Seed
	shards [shardCount]shard[K, V]
}

// shard is a part of a table. Who holds the lock of a key's shard may lock a
// workspace's, never the other way round, and never two of one table.
type shard[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*V
	tallies map[tallyKey]tally // of keys that are on the accounts here, not saved yet

	watches  map[apikey.ID]*ratelimit.Watch // of keys that are on the accounts here
	owedSeen map[seenKey]apikey.Sighting    // what is to be saved and no Watch remembers
}

func (t *table[K, V]) init() {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].entries = make(map[K]*V)
		t.shards[i].tallies = make(map[tallyKey]tally)
		t.shards[i].watches = make(map[apikey.ID]*ratelimit.Watch)
		t.shards[i].owedSeen = make(map[seenKey]apikey.Sighting)
	}
}

func (t *table[K, V]) shard(k K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, k)%shardCount]
}

// entry returns the entry of k. One that it makes takes the place of any other
// if there are too many. s.mu must be held.
func (s *shard[K, V]) entry(k K) *V {
	if v := s.entries[k]; v != nil {
		return v
	}
	if len(s.entries) >= shardSize {
		for other := range s.entries {
			delete(s.entries, other)
			break
		}
	}
	v := new(V)
	s.entries[k] = v
	return v
}

// sweep drops the entries that are of no use any more.
func (t *table[K, V]) sweep(useless func(*V) bool) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for k, v := range s.entries {
			if useless(v) {
				delete(s.entries, k)
			}
		}
		s.mu.Unlock()
	}
}
