package keystore

import (
	"bytes"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// CreateAll implements [Store]. It is one transaction, in which every bucket is
// filled in the order of its names: that way a hundred thousand keys take a few
// seconds, of which other changes wait only for the transaction.
func (b *Bolt) CreateAll(keys []apikey.Key, by Actor) error {
	if len(keys) == 0 && !b.closed.Load() {
		return nil
	}
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(x, y apikey.Key) int { return bytes.Compare(x.ID[:], y.ID[:]) })
	batch, err := newBatch(keys, by)
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
		b.index.Put(keys[i].ID, batch.grants[i], keys[i].Opaque)
	}
	return nil
}

// keyBatch is what there is to write of keys in the order of their IDs.
type keyBatch struct {
	keys    []apikey.Key
	grants  []apikey.Grant
	entries []AuditEntry
}

// newBatch prepares keys, and refuses two with one ID or one opaque hash.
func newBatch(keys []apikey.Key, by Actor) (*keyBatch, error) {
	batch := &keyBatch{keys: keys, grants: make([]apikey.Grant, len(keys)), entries: make([]AuditEntry, len(keys))}
	opaque := make(map[apikey.Hash]apikey.ID)
	nothing, err := recordFields(nil, by.At) // once, for it takes as long as a key
	if err != nil {
		return nil, err
	}
	for i := range keys {
		k := &keys[i]
		if batch.grants[i], err = prepare(k); err != nil {
			return nil, err
		}
		if i > 0 && keys[i-1].ID == k.ID {
			return nil, &ExistsError{ID: k.ID}
		}
		if k.Opaque {
			if other, ok := opaque[k.Hash]; ok {
				return nil, &ExistsError{ID: k.ID, SameHash: other}
			}
			opaque[k.Hash] = k.ID
		}
		fields, err := recordFields(k, by.At)
		if err != nil {
			return nil, err
		}
		batch.entries[i] = newAudit("import", k.ID, compare(nothing, fields, true, false), by)
	}
	return batch, nil
}

func (batch *keyBatch) write(tx *bolt.Tx) error {
	keys := tx.Bucket(bucketKeys)
	for i := range batch.keys {
		k := &batch.keys[i]
		if keys.Get(k.ID[:]) != nil {
			return &ExistsError{ID: k.ID}
		}
		if err := keys.Put(k.ID[:], encodeKey(k)); err != nil {
			return err
		}
	}
	for _, name := range batch.workspaceKeys() {
		if err := tx.Bucket(bucketWorkspaces).Put(name, nil); err != nil {
			return err
		}
	}
	for i := range batch.entries {
		if err := putAudit(tx, batch.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// workspaceKeys returns the names in the bucket workspaces, sorted.
func (batch *keyBatch) workspaceKeys() [][]byte {
	names := make([][]byte, len(batch.keys))
	for i := range batch.keys {
		names[i] = workspaceKey(batch.keys[i].Workspace, batch.keys[i].ID)
	}
	slices.SortFunc(names, bytes.Compare)
	return names
}
