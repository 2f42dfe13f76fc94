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
)

// load makes the index from the file, to which nobody may write meanwhile, and
// returns the last transaction in it. Workers take the keys by their first
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
		// What is kept would lie scattered among the garbage: the less of that
		// there is at a time, the fewer pages stay half empty.
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}
	var (
		next    atomic.Int32 // first byte that no worker has taken
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var damaged []error
			var id int
			failed := b.view(func(tx *bolt.Tx) error {
				id = tx.ID()
				for first := next.Add(1) - 1; first < 256; first = next.Add(1) - 1 {
					damaged = append(damaged, b.loadFrom(tx, byte(first))...)
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

// manyKeys is from how many keys on loading leaves so much garbage, some 400
// bytes for each, that it is collected and given back at once. Otherwise it
// would stay with the process, which allocates little while it serves.
const manyKeys = 100_000

// countKeys returns how many records the bucket keys has, for the index to get
// its size at once.
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

// loadFrom indexes the keys with one first byte, and returns those that it
// could not.
func (b *Bolt) loadFrom(tx *bolt.Tx, first byte) (damaged []error) {
	cursor := tx.Bucket(bucketKeys).Cursor()
	for name, value := cursor.Seek([]byte{first}); name != nil && name[0] == first; name, value = cursor.Next() {
		k, g, err := readKey(name, value)
		if err == nil {
			err = b.loadKey(&k, g)
		}
		if err != nil {
			damaged = append(damaged, err)
		}
	}
	return damaged
}

// readKey reads a record of the bucket keys as far as decisions need it. An
// error wraps ErrDamaged or ErrNewer.
func readKey(name, value []byte) (apikey.Key, apikey.Grant, error) {
	if len(name) != apikey.IDLen {
		return apikey.Key{}, apikey.Grant{}, fmt.Errorf("%w: a record under the name %q, which is no key ID", ErrDamaged, name)
	}
	k, err := decodeKey(apikey.ID(name), value)
	if err != nil {
		return apikey.Key{}, apikey.Grant{}, err
	}
	g, err := k.Grant()
	if err != nil {
		return apikey.Key{}, apikey.Grant{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return k, g, nil
}

// loadKey indexes one key. Of two opaque keys with one hash it keeps the one
// with the lower ID, whichever comes first, and returns an error for the other.
func (b *Bolt) loadKey(k *apikey.Key, g apikey.Grant) error {
	if !k.Opaque {
		b.index.Put(k.ID, g, false)
		return nil
	}
	b.writing.Lock() // the other may be with another worker
	defer b.writing.Unlock()
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
