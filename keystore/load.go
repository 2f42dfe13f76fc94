package keystore

import (
	"fmt"
	"runtime"
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
	slices.SortFunc(b.damaged, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return last, err
}

// loadFrom indexes the keys with one first byte, and returns those that it
// could not.
func (b *Bolt) loadFrom(tx *bolt.Tx, first byte) (damaged []error) {
	cursor := tx.Bucket(bucketKeys).Cursor()
	for name, value := cursor.Seek([]byte{first}); name != nil && name[0] == first; name, value = cursor.Next() {
		if len(name) != apikey.IDLen {
			damaged = append(damaged, fmt.Errorf("%w: a record under the name %q, which is no key ID", ErrDamaged, name))
			continue
		}
		k, err := decodeKey(apikey.ID(name), value)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		g, err := k.Grant()
		if err != nil {
			damaged = append(damaged, fmt.Errorf("%w: %w", ErrDamaged, err))
			continue
		}
		b.index.Put(k.ID, g)
	}
	return damaged
}
