package keystore

import (
	"sync"
	"sync/atomic"

	"github.com/socialpatra/keygate/apikey"
)

// opaqueIDs maps hashes to opaque keys. Other keys are not in it: the ID in their
// token finds them faster.
//
// Its lock is taken while holding that of a shard, never the other way round.
type opaqueIDs struct {
	any atomic.Bool // whether ids has entries, readable without the lock
	mu  sync.RWMutex
	ids map[apikey.Hash]apikey.ID // nil before the first entry
}

func (o *opaqueIDs) get(hash apikey.Hash) (apikey.ID, bool) {
	if !o.any.Load() {
		return apikey.ID{}, false
	}
	o.mu.RLock()
	id, ok := o.ids[hash]
	o.mu.RUnlock()
	return id, ok
}

func (o *opaqueIDs) put(hash apikey.Hash, id apikey.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids == nil {
		o.ids = make(map[apikey.Hash]apikey.ID)
	}
	o.ids[hash] = id
	o.any.Store(true)
}

func (o *opaqueIDs) remove(hash apikey.Hash) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ids, hash)
	o.any.Store(len(o.ids) > 0)
}

// LookupOpaque returns the ID and the grant of the opaque key with this hash, and
// whether such a key exists. It allocates nothing.
func (x *Index) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool) {
	id, ok := x.opaque.get(hash)
	if !ok {
		return apikey.ID{}, apikey.Grant{}, false
	}
	g, ok := x.Lookup(id)
	if !ok || g.Hash != hash { // the key was deleted meanwhile, and perhaps replaced
		return apikey.ID{}, apikey.Grant{}, false
	}
	return id, g, true
}

// HasOpaque reports whether there is any opaque key. It costs one atomic load.
func (x *Index) HasOpaque() bool { return x.opaque.any.Load() }

// LookupOpaque implements [Store].
func (b *Bolt) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	if b.closed.Load() {
		return apikey.ID{}, apikey.Grant{}, false, ErrClosed
	}
	id, g, ok := b.index.LookupOpaque(hash)
	return id, g, ok, nil
}

// HasOpaque implements [Store]. After Close it answers as before.
func (b *Bolt) HasOpaque() bool { return b.index.HasOpaque() }

// checkHash refuses an opaque key whose hash another key has. The caller holds
// b.writing.
func (b *Bolt) checkHash(k *apikey.Key) error {
	if !k.Opaque {
		return nil
	}
	if id, ok := b.index.opaque.get(k.Hash); ok && id != k.ID {
		return &ExistsError{ID: k.ID, SameHash: id}
	}
	return nil
}
