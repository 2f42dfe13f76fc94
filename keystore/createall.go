package keystore

import (
	"bytes"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// CreateAll implements [Store]. It is one transaction, which fills every bucket
// in the order of its names. A million keys take some tens of seconds. Other
// changes wait meanwhile; look-ups do not. The whole transaction is in memory
// until it is written, some 3 kB per key.
func (b *Bolt) CreateAll(keys []apikey.Key, by Actor, progress func(done int)) error {
	if len(keys) == 0 && !b.closed.Load() {
		return nil
	}
	batch, err := newBatch(keys, by, progress)
	if err != nil {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	for i := range keys {
		if err := b.checkHash(&keys[i]); err != nil {
			return err
		}
	}
	if err := b.commit(batch.write); err != nil {
		return err
	}
	for i := range keys {
		k := keys[i]
		// Grants are computed again, because a million of them take much memory.
		if grant, err := prepare(&k); err == nil { // it succeeded before
			b.index.Put(k.ID, grant, k.Opaque)
		}
	}
	return nil
}

// progressEvery is after how many keys CreateAll reports progress.
const progressEvery = 1000

// keyBatch is what CreateAll writes.
type keyBatch struct {
	keys     []*apikey.Key // sorted by ID
	by       Actor
	progress func(done int)

	nothing, values recordValues // of a key that does not exist, and of the current key
	changed         []byte       // of the current key

	numbers map[string]uint64 // of each workspace, the last number in its trail
	places  []AuditPlace      // of the entries, the first of which has the number first
	first   uint64
}

// newBatch refuses two keys with the same ID or the same opaque hash.
func newBatch(keys []apikey.Key, by Actor, progress func(done int)) (*keyBatch, error) {
	batch := &keyBatch{keys: make([]*apikey.Key, len(keys)), by: by, progress: progress}
	for i := range keys {
		batch.keys[i] = &keys[i]
	}
	slices.SortFunc(batch.keys, func(x, y *apikey.Key) int { return bytes.Compare(x.ID[:], y.ID[:]) })
	opaque := make(map[apikey.Hash]apikey.ID)
	for i, k := range batch.keys {
		if i > 0 && batch.keys[i-1].ID == k.ID {
			return nil, &ExistsError{ID: k.ID}
		}
		if k.Opaque {
			if other, ok := opaque[k.Hash]; ok {
				return nil, &ExistsError{ID: k.ID, SameHash: other}
			}
			opaque[k.Hash] = k.ID
		}
	}
	return batch, batch.nothing.set(nil, by.At)
}

// bulkFill is how full bbolt makes the pages of a bucket that is filled in order.
// The rest is room for later changes.
const bulkFill = 0.9

func (batch *keyBatch) write(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketKeys, bucketWorkspaces, bucketAuditByKey, bucketAuditByWorkspace} {
		tx.Bucket(name).FillPercent = bulkFill
	}
	for _, k := range batch.keys { // check all before writing any, while that costs least
		if tx.Bucket(bucketKeys).Get(k.ID[:]) != nil {
			return &ExistsError{ID: k.ID}
		}
	}
	batch.numbers, batch.places = make(map[string]uint64), make([]AuditPlace, 0, len(batch.keys))
	batch.first = tx.Bucket(bucketAudit).Sequence() + 1
	for i, k := range batch.keys {
		if err := batch.put(tx, *k); err != nil {
			return err
		}
		if done := i + 1; batch.progress != nil && (done%progressEvery == 0 || done == len(batch.keys)) {
			batch.progress(done)
		}
	}
	slices.SortFunc(batch.keys, func(x, y *apikey.Key) int {
		if order := strings.Compare(x.Workspace, y.Workspace); order != 0 {
			return order
		}
		return bytes.Compare(x.ID[:], y.ID[:])
	})
	workspaces := tx.Bucket(bucketWorkspaces)
	for _, k := range batch.keys {
		if err := workspaces.Put(workspaceKey(k.Workspace, k.ID), nil); err != nil {
			return err
		}
	}
	return putAllPlaced(tx, batch.places, batch.first)
}

// put writes everything of a key except its places in its workspace.
func (batch *keyBatch) put(tx *bolt.Tx, k apikey.Key) error {
	if _, err := prepare(&k); err != nil {
		return err
	}
	if err := tx.Bucket(bucketKeys).Put(k.ID[:], encodeKey(&k)); err != nil {
		return err
	}
	if err := batch.values.set(&k, batch.by.At); err != nil {
		return err
	}
	batch.changed = appendChanges(batch.changed[:0], &batch.nothing, &batch.values, true, false)
	number, ok := batch.numbers[k.Workspace]
	if !ok {
		number = lastNumber(tx, k.Workspace)
	}
	at := AuditPlace{k.Workspace, number + 1}
	batch.numbers[k.Workspace], batch.places = at.Number, append(batch.places, at)
	e := batch.by.Entry("import", k.ID)
	var err error
	if e.Seq, err = tx.Bucket(bucketAudit).NextSequence(); err != nil {
		return err
	}
	return putEntry(tx, e, at, batch.changed)
}
