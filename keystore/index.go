package keystore

import (
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Index answers look-ups from memory. Any store can use it: it knows nothing
// of where keys are kept. All methods may be called at once.
//
// A key is one entry without pointers, so that the garbage collector never
// scans them: with records full of pointers, a million keys make every request
// three times as slow. What many keys share is interned.
type Index struct {
	shards [indexShards]indexShard

	workspaces *interned[string]
	scopes     *interned[*apikey.ScopeSet]
	places     *interned[*apikey.Places]

	opaque opaqueIDs
}

// indexShards is enough that a reader next to never meets a writer, and that
// growing one shard among a million keys takes microseconds.
const indexShards = 256

type indexShard struct {
	mu      sync.RWMutex
	slots   map[apikey.ID]uint32
	entries []indexEntry // the first belongs to no key
	free    []uint32
	_       [40]byte // keeps the locks of two shards out of one cache line
}

// indexEntry is a grant without pointers. The last three are references, and
// count as used for as long as the entry holds them.
type indexEntry struct {
	hash      apikey.Hash
	expiresAt int64
	limits    apikey.Limits
	state     apikey.State
	live      bool
	opaque    bool // its hash is in opaqueIDs
	workspace uint32
	scopes    uint32
	places    uint32 // 0: nil
}

// NewIndex returns an empty index.
func NewIndex() *Index {
	x := &Index{
		workspaces: newInterned[string](),
		scopes:     newInterned[*apikey.ScopeSet](),
		places:     newInterned[*apikey.Places](),
	}
	for i := range x.shards {
		x.shards[i].slots = make(map[apikey.ID]uint32)
		x.shards[i].entries = make([]indexEntry, 1)
	}
	return x
}

// shard spreads IDs by Fibonacci hashing of eight of their characters.
func (x *Index) shard(id *apikey.ID) *indexShard {
	const golden = 0x9E3779B97F4A7C15 // 2⁶⁴ divided by the golden ratio
	return &x.shards[binary.LittleEndian.Uint64(id[:8])*golden>>56]
}

// Lookup returns the grant of a key, and whether there is such a key. It
// allocates nothing, and waits only for a writer of the same shard. An unknown
// ID costs the same as a known one, for it reads the entry that is no key's:
// how long a refusal takes must not tell which IDs exist.
func (x *Index) Lookup(id apikey.ID) (apikey.Grant, bool) {
	s := x.shard(&id)
	s.mu.RLock()
	slot, ok := s.slots[id] // 0 for an unknown ID
	e := &s.entries[slot]
	g := apikey.Grant{
		Hash:      e.hash,
		State:     e.state,
		ExpiresAt: e.expiresAt,
		Limits:    e.limits,
		Workspace: x.workspaces.at(e.workspace),
		Scopes:    x.scopes.at(e.scopes),
		Places:    x.places.at(e.places),
	}
	s.mu.RUnlock()
	return g, ok
}

// Put adds a key or replaces its grant. Scopes must not be nil. An opaque key
// is also found by its hash, which no other opaque key may have, and which is
// the same in every grant of the key.
func (x *Index) Put(id apikey.ID, g apikey.Grant, opaque bool) {
	e := indexEntry{
		hash:      g.Hash,
		expiresAt: g.ExpiresAt,
		limits:    g.Limits,
		state:     g.State,
		live:      true,
		opaque:    opaque,
		workspace: x.workspaces.acquire(g.Workspace, g.Workspace),
		scopes:    x.scopes.acquire(g.Scopes.Joined, g.Scopes),
	}
	if g.Places != nil {
		e.places = x.places.acquire(placesText(g.Places), g.Places)
	}
	s := x.shard(&id)
	s.mu.Lock()
	slot, ok := s.slots[id]
	if !ok {
		slot = s.newSlot()
		s.slots[id] = slot
	}
	old := s.entries[slot]
	s.entries[slot] = e
	if opaque {
		x.opaque.put(g.Hash, id)
	}
	s.mu.Unlock()
	x.release(&old)
}

// Delete removes a key, if it is there.
func (x *Index) Delete(id apikey.ID) {
	s := x.shard(&id)
	s.mu.Lock()
	slot, ok := s.slots[id]
	if !ok {
		s.mu.Unlock()
		return
	}
	delete(s.slots, id)
	old := s.entries[slot]
	s.entries[slot] = indexEntry{}
	s.free = append(s.free, slot)
	if old.opaque {
		x.opaque.remove(old.hash)
	}
	s.mu.Unlock()
	x.release(&old)
}

func (s *indexShard) newSlot() uint32 {
	if last := len(s.free) - 1; last >= 0 {
		slot := s.free[last]
		s.free = s.free[:last]
		return slot
	}
	s.entries = append(s.entries, indexEntry{})
	return uint32(len(s.entries) - 1)
}

func (x *Index) release(e *indexEntry) {
	x.workspaces.release(e.workspace)
	x.scopes.release(e.scopes)
	x.places.release(e.places)
}

// Len returns the number of keys.
func (x *Index) Len() int {
	n := 0
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		n += len(s.slots)
		s.mu.RUnlock()
	}
	return n
}

// Counts returns how many keys have each status at the instant now. It visits
// every key: tens of milliseconds for a million.
func (x *Index) Counts(now time.Time) map[apikey.Status]int {
	var active, disabled, expired, revoked int
	nanos := now.UnixNano()
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for j := range s.entries {
			switch e := &s.entries[j]; {
			case !e.live:
			case e.state == apikey.StateRevoked:
				revoked++
			case e.state == apikey.StateDisabled:
				disabled++
			case e.expiresAt != 0 && nanos >= e.expiresAt:
				expired++
			default:
				active++
			}
		}
		s.mu.RUnlock()
	}
	return map[apikey.Status]int{
		apikey.Active: active, apikey.Disabled: disabled, apikey.Expired: expired, apikey.Revoked: revoked,
	}
}

// placesText stands for places: neither origins nor addresses hold spaces.
func placesText(p *apikey.Places) string {
	var b strings.Builder
	for _, o := range p.Origins {
		b.WriteString(o.String())
		b.WriteByte(' ')
	}
	b.WriteByte('|')
	for _, ip := range p.IPs {
		b.WriteString(apikey.FormatIP(ip))
		b.WriteByte(' ')
	}
	return b.String()
}
