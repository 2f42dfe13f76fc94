package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

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
	if len(keys) >= manyRecords {
		defer b.keepPagesFew()()
	}
	for i := range keys {
		if err := b.checkHash(&keys[i]); err != nil {
			return err
		}
	}
	err = b.commit(func(tx *bolt.Tx) error {
		if err := b.settleAll(tx, keys); err != nil {
			return err
		}
		return batch.write(tx)
	})
	if err != nil {
		return err
	}
	b.indexAll(batch.keys, batch.grants)
	return nil
}

// keepPagesFew drops the pages of the file that are read, again and again until
// release is called, which drops them once more. A batch of many keys reads a large
// part of the file, and most of it while it is committed.
func (b *Bolt) keepPagesFew() (release func()) {
	drop := func() {
		_ = b.view(func(tx *bolt.Tx) error { // if it fails, they stay
			dropPages(tx)
			return nil
		})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		again := time.NewTicker(pagesStay)
		defer again.Stop()
		for {
			select {
			case <-stop:
				return
			case <-again.C:
				drop()
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		drop()
	}
}

// pagesStay is how long the pages that a batch has read stay in memory at most. Some
// hundred megabytes are read in that time.
const pagesStay = 50 * time.Millisecond

// indexAll puts keys into the index, on all cores. b.writing must be held.
func (b *Bolt) indexAll(keys []*apikey.Key, grants []apikey.Grant) {
	var workers sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for w := range n {
		workers.Go(func() {
			for i := len(keys) * w / n; i < len(keys)*(w+1)/n; i++ {
				b.index.Put(keys[i].ID, grants[i], keys[i].Opaque)
			}
		})
	}
	workers.Wait()
}

// progressEvery is after how many keys CreateAll reports progress.
const progressEvery = 1000

// keyBatch is what CreateAll writes.
type keyBatch struct {
	keys     []*apikey.Key // sorted by ID
	grants   []apikey.Grant
	by       Actor
	progress func(done int)

	numbers map[string]uint64 // of each workspace, the last number in its trail
	places  []AuditPlace      // of the entries
	first   uint64            // the number of the first entry
}

// newBatch refuses two keys with the same ID or the same opaque hash.
func newBatch(keys []apikey.Key, by Actor, progress func(done int)) (*keyBatch, error) {
	batch := &keyBatch{keys: make([]*apikey.Key, len(keys)), grants: make([]apikey.Grant, len(keys)), by: by, progress: progress}
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
	return batch, nil
}

// bulkFill is how full bbolt makes the pages of a bucket that is filled in order.
// The rest is room for later changes.
const bulkFill = 0.9

func (batch *keyBatch) write(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketKeys, bucketWorkspaces, bucketSeen, bucketAuditByKey, bucketAuditByWorkspace} {
		tx.Bucket(name).FillPercent = bulkFill
	}
	if err := batch.checkNew(tx); err != nil { // all before writing any, while that costs least
		return err
	}
	audit := tx.Bucket(bucketAudit)
	audit.FillPercent = 1 // entries are only ever appended
	batch.first = audit.Sequence() + 1
	if err := audit.SetSequence(audit.Sequence() + uint64(len(batch.keys))); err != nil {
		return err
	}
	if err := batch.putAll(tx); err != nil {
		return err
	}
	if err := batch.putWorkspaces(tx); err != nil {
		return err
	}
	return putAllPlaced(tx, batch.places, batch.first)
}

// checkNew refuses keys that the store has. It seeks only past keys that are there:
// most batches lie between two of them.
func (batch *keyBatch) checkNew(tx *bolt.Tx) error {
	cursor := tx.Bucket(bucketKeys).Cursor()
	next, _ := cursor.Seek(batch.keys[0].ID[:])
	for _, k := range batch.keys {
		if next != nil && bytes.Compare(next, k.ID[:]) < 0 {
			next, _ = cursor.Seek(k.ID[:])
		}
		if bytes.Equal(next, k.ID[:]) {
			return &ExistsError{ID: k.ID}
		}
	}
	return nil
}

// putAll writes everything of the keys except their places in their workspaces.
// Others encode meanwhile what comes next.
func (batch *keyBatch) putAll(tx *bolt.Tx) error {
	batch.numbers, batch.places = make(map[string]uint64), make([]AuditPlace, 0, len(batch.keys))
	keys, seen, audit, byKey := tx.Bucket(bucketKeys), tx.Bucket(bucketSeen), tx.Bucket(bucketAudit), tx.Bucket(bucketAuditByKey)
	for e, err := range batch.encoded() {
		if err != nil {
			return err
		}
		done := len(batch.places) + 1
		k := batch.keys[done-1]
		at := batch.place(tx, k.Workspace)
		seq := binary.BigEndian.AppendUint64(make([]byte, 0, seqLen), batch.first+uint64(done-1))
		name := append(k.ID[:], seq...)
		err = errors.Join(
			keys.Put(k.ID[:], e.record),
			audit.Put(seq, e.entry),
			byKey.Put(name, at.encode(name)),
		)
		if e.seen != nil {
			err = errors.Join(err, seen.Put(k.ID[:], e.seen))
		}
		if err != nil {
			return err
		}
		if batch.progress != nil && (done%progressEvery == 0 || done == len(batch.keys)) {
			batch.progress(done)
		}
	}
	return nil
}

// place returns where the next entry about a workspace is in its trail.
func (batch *keyBatch) place(tx *bolt.Tx, workspace string) AuditPlace {
	number, ok := batch.numbers[workspace]
	if !ok {
		number = lastNumber(tx, workspace)
	}
	at := AuditPlace{workspace, number + 1}
	batch.numbers[workspace], batch.places = at.Number, append(batch.places, at)
	return at
}

func (batch *keyBatch) putWorkspaces(tx *bolt.Tx) error {
	sorted := slices.Clone(batch.keys)
	slices.SortStableFunc(sorted, func(x, y *apikey.Key) int { return strings.Compare(x.Workspace, y.Workspace) })
	workspaces := tx.Bucket(bucketWorkspaces)
	for _, k := range sorted {
		if err := workspaces.Put(workspaceKey(k.Workspace, k.ID), nil); err != nil {
			return err
		}
	}
	return nil
}
