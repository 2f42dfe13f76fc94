package keystore

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/celltable"
)

// Index answers look-ups from memory. It does not know where keys are stored, so
// any store can use it. All methods are safe for concurrent use.
//
// A key is one entry without pointers, so that the garbage collector never scans
// it: with records full of pointers, a million keys make every request three
// times as slow. Values that many keys share are interned.
type Index struct {
	shards [indexShards]indexShard
	seed   maphash.Seed // imported IDs are chosen by others, who must not know which of them collide

	workspaces *interned[string, string]
	terms      *interned[string, terms]
	bounds     *interned[string, bounds]

	opaque   opaqueIDs
	accounts accounts
}

// There are enough shards that readers rarely wait for a writer. A shard grows
// little by little, however many keys it has.
const (
	shardBits   = 8
	indexShards = 1 << shardBits
)

// indexEntry is a grant without pointers. Its 64 bytes are one cache line, so
// that reading it is one cache miss. workspace, terms and bounds are references
// into interned values. Each is counted as long as the entry holds it.
type indexEntry struct {
	id        apikey.ID
	workspace uint32 // or with the bit onAccount a reference into accounts
	hash      apikey.Hash
	expiresAt int64
	terms     uint32 // 0: the entry is noEntry
	bounds    uint32 // likewise
}

// terms and bounds hold what does not fit into an entry and is the same for many
// keys. Terms that only one key has take some 300 bytes.
//
// Terms and bounds are interned separately, so that many keys share each of them. In a
// large store, a few thousand terms and a few hundred bounds without places serve most
// keys, and caches hold them. As pairs there would be a hundred thousand values, and
// each look-up would wait for memory once more.
type terms struct {
	scopes *apikey.ScopeSet
	state  apikey.State
	opaque bool // the hash is in opaqueIDs
}

type bounds struct {
	places *apikey.Places // nil: anywhere
	limits apikey.Limits
}

// noEntry is what a look-up of an unknown ID reads.
var noEntry indexEntry

// NewIndex returns an empty index.
func NewIndex() *Index {
	x := &Index{
		seed:       maphash.MakeSeed(),
		workspaces: newInterned[string, string](),
		terms:      newInterned[string, terms](),
		bounds:     newInterned[string, bounds](),
		accounts:   newAccounts(),
	}
	x.reserve(0)
	return x
}

// reserve makes an empty index large enough for the given number of keys. Nobody
// else may have the index yet.
func (x *Index) reserve(keys int) {
	// Keys spread at random. Hardly any shard gets more than four standard
	// deviations above the mean, and a shard that does grows.
	mean := float64(keys) / indexShards
	most := int(mean + 4*math.Sqrt(mean))
	for i := range x.shards {
		x.shards[i].entries.Resize(most, x.hashOf)
	}
}

func (x *Index) hash(id *apikey.ID) uint64 { return maphash.Comparable(x.seed, *id) }

func (x *Index) hashOf(e *indexEntry) uint64 { return x.hash(&e.id) }

func (x *Index) shard(hash uint64) *indexShard { return &x.shards[hash>>(64-shardBits)] }

// Lookup returns the grant of a key, and whether the key exists. It allocates
// nothing, and waits only for a writer of the same shard. An unknown ID costs the
// same as a known one, because it reads an entry that belongs to no key: the time
// of a refusal must not tell which IDs exist.
func (x *Index) Lookup(id apikey.ID) (apikey.Grant, bool) {
	hash := x.hash(&id)
	s := x.shard(hash)
	e := &noEntry
	s.mu.RLock()
	cell := s.find(hash, &id)
	if cell >= 0 {
		e = s.entries.At(cell)
	}
	t, within := x.terms.at(e.terms), x.bounds.at(e.bounds)
	g := apikey.Grant{
		Hash:      e.hash,
		State:     t.state,
		ExpiresAt: e.expiresAt,
		Limits:    within.limits,
		Scopes:    t.scopes,
		Places:    within.places,
	}
	workspace := e.workspace
	if workspace >= onAccount {
		workspace, g.Account = x.accounts.at(workspace)
	}
	g.Workspace = x.workspaces.at(workspace)
	s.mu.RUnlock()
	return g, cell >= 0
}

// Put adds a key or replaces its grant. Scopes must not be nil. An opaque key is
// also found by its hash. No other opaque key may have that hash, and it must be
// the same in every grant of the key. Put does not keep the text of the workspace.
func (x *Index) Put(id apikey.ID, g apikey.Grant, opaque bool) {
	var buf [512]byte
	t, within := terms{g.Scopes, g.State, opaque}, bounds{g.Places, g.Limits}
	e := indexEntry{
		id:        id,
		workspace: acquireText(x.workspaces, append(buf[:0], g.Workspace...), func(text string) string { return text }),
		hash:      g.Hash,
		expiresAt: g.ExpiresAt,
		terms:     acquireText(x.terms, t.appendText(buf[:0]), func(string) terms { return t }),
		bounds:    acquireText(x.bounds, within.appendText(buf[:0]), func(string) bounds { return within }),
	}
	if !g.Account.IsZero() {
		e.workspace = x.accounts.acquire(home{e.workspace, g.Account})
	}
	var old indexEntry
	hash := x.hash(&id)
	s := x.shard(hash)
	s.mu.Lock()
	if cell := s.find(hash, &id); cell >= 0 {
		have := s.entries.At(cell)
		old, *have = *have, e
	} else {
		s.entries.Put(hash, &e, x.hashOf)
	}
	if opaque {
		x.opaque.put(g.Hash, id)
	}
	s.mu.Unlock()
	x.release(&old)
}

// Delete removes a key if it exists.
func (x *Index) Delete(id apikey.ID) {
	hash := x.hash(&id)
	s := x.shard(hash)
	s.mu.Lock()
	cell := s.find(hash, &id)
	if cell < 0 {
		s.mu.Unlock()
		return
	}
	old := *s.entries.At(cell)
	s.entries.Remove(cell)
	if x.terms.at(old.terms).opaque {
		x.opaque.remove(old.hash)
	}
	s.mu.Unlock()
	x.release(&old)
}

func (x *Index) release(e *indexEntry) {
	x.workspaces.release(x.accounts.release(e.workspace))
	x.terms.release(e.terms)
	x.bounds.release(e.bounds)
}

// Len returns the number of keys.
func (x *Index) Len() int {
	n := 0
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		n += s.entries.Len()
		s.mu.RUnlock()
	}
	return n
}

// Counts returns how many keys have each status at the instant now. It visits
// every key, which takes tens of milliseconds for a million.
func (x *Index) Counts(now time.Time) map[apikey.Status]int {
	var active, disabled, expired, revoked int
	nanos := now.UnixNano()
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for _, e := range s.entries.All() {
			switch state := x.terms.at(e.terms).state; {
			case state == apikey.StateRevoked:
				revoked++
			case state == apikey.StateDisabled:
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

// appendText appends the text that identifies terms: numbers of fixed length,
// then the scopes.
func (t *terms) appendText(b []byte) []byte {
	b = append(b, byte(t.state))
	b = strconv.AppendBool(b, t.opaque)
	return append(b, t.scopes.Joined...)
}

// appendText appends the text that identifies bounds: numbers of fixed length, then
// the places. Neither origins nor addresses contain spaces.
func (w *bounds) appendText(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, w.limits.PerMinute)
	b = binary.LittleEndian.AppendUint32(b, w.limits.PerDay)
	b = binary.LittleEndian.AppendUint32(b, w.limits.Burst)
	if w.places == nil {
		return b
	}
	for _, o := range w.places.Origins {
		b = append(append(b, o.String()...), ' ')
	}
	b = append(b, '|')
	for _, ip := range w.places.IPs {
		b = append(append(b, apikey.FormatIP(ip)...), ' ')
	}
	return b
}

// indexShard holds a part of the keys.
type indexShard struct {
	mu      sync.RWMutex
	entries celltable.Table[indexEntry, struct{}]
	_       [8]byte
}

// find returns the cell of an ID, or -1.
func (s *indexShard) find(hash uint64, id *apikey.ID) int {
	for g := s.entries.First(hash); g >= 0; g = s.entries.Next(g, hash) {
		for m := s.entries.Tags(g).Match(hash); m != 0; m = m.Rest() {
			if cell := m.Cell(g); s.entries.At(cell).id == *id {
				return cell
			}
		}
	}
	return -1
}
