package keystore

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/headroom"
)

// load builds the index from the file and returns the last transaction in it.
// Nobody may write to the file meanwhile. Workers divide the keys by their first
// byte.
func (b *Bolt) load() (last int, err error) {
	b.index, b.damaged = NewIndex(), nil
	keys, err := b.countKeys()
	if err != nil {
		return 0, err
	}
	b.index.reserve(keys)
	if keys >= manyKeys {
		defer debug.FreeOSMemory()
		// What is kept would be scattered among the garbage. The less garbage
		// there is at a time, the fewer pages stay half empty.
		defer headroom.Spare()()
	}
	var (
		next    atomic.Int32 // the first byte that no worker has taken yet
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var damaged []error
			var id int
			reader := newKeyReader()
			failed := b.view(func(tx *bolt.Tx) error {
				id = tx.ID()
				for first := next.Add(1) - 1; first < 256; first = next.Add(1) - 1 {
					damaged = append(damaged, b.loadFrom(tx, byte(first), reader)...)
				}
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			last = id
			b.damaged = append(b.damaged, damaged...)
			if err == nil {
				err = failed
			}
		})
	}
	workers.Wait()
	if err == nil {
		err = b.loadLimits()
	}
	slices.SortFunc(b.damaged, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return last, err
}

// manyKeys is the number of keys from which on loading leaves so much garbage,
// some 300 bytes per key, that it is collected and returned to the system at
// once. Otherwise the process would keep it, because it allocates little while it
// serves.
const manyKeys = 100_000

// countKeys returns how many records the bucket keys has, so that the index can
// be sized at once.
func (b *Bolt) countKeys() (keys int, err error) {
	err = b.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketKeys).Cursor()
		for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
			keys++
		}
		return nil
	})
	return keys, err
}

// loadFrom indexes the keys with one first byte. It returns an error for each key
// that it could not index.
func (b *Bolt) loadFrom(tx *bolt.Tx, first byte, reader *keyReader) (damaged []error) {
	cursor := tx.Bucket(bucketKeys).Cursor()
	for name, value := cursor.Seek([]byte{first}); name != nil && name[0] == first; name, value = cursor.Next() {
		k, g, err := reader.read(name, value)
		if err == nil {
			err = b.loadKey(k, g)
		}
		if err != nil {
			damaged = append(damaged, err)
		}
	}
	return damaged
}

// loadKey indexes one key. Of two opaque keys with the same hash it keeps the one
// with the lower ID, in whichever order they come, and returns an error for the
// other.
func (b *Bolt) loadKey(k *apikey.Key, g apikey.Grant) error {
	if !k.Opaque {
		b.index.Put(k.ID, g, false)
		return nil
	}
	b.writing.Mutex.Lock() // another worker may have the other key; this is no change
	defer b.writing.Mutex.Unlock()
	other, taken := b.index.opaque.get(k.Hash)
	if taken && bytes.Compare(other[:], k.ID[:]) < 0 {
		return errSameHash(k.ID, other)
	}
	if taken {
		b.index.Delete(other)
	}
	b.index.Put(k.ID, g, true)
	if taken {
		return errSameHash(other, k.ID)
	}
	return nil
}

func errSameHash(id, other apikey.ID) error {
	return fmt.Errorf("the record of key %s: %w: the opaque key %s has the same hash", id, ErrDamaged, other)
}
