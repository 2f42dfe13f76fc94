package keystore

import (
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// expiringIn calls yield with the IDs of the keys in one shard that are not revoked,
// and that expire after from and no later than to. It holds the lock of the shard.
func (x *Index) expiringIn(shard int, from, to int64, yield func(apikey.ID)) {
	s := &x.shards[shard]
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.entries.All() {
		if from < e.expiresAt && e.expiresAt <= to && e.expiresAt != 0 && x.terms.at(e.terms).state != apikey.StateRevoked {
			yield(e.id)
		}
	}
}

// expiringBatch is how many keys Expiring collects before it reads them. A batch
// exceeds it by the keys of one shard at most.
const expiringBatch = 256

// Expiring implements [Store]. It visits every key in memory, which takes
// tens of milliseconds for a million, and reads only those that it yields.
func (b *Bolt) Expiring(from, to time.Time, yield func(*apikey.Key) bool) error {
	var ids []apikey.ID
	var keys []apikey.Key
	for shard := range indexShards {
		b.index.expiringIn(shard, from.UnixNano(), to.UnixNano(), func(id apikey.ID) { ids = append(ids, id) })
		if len(ids) < expiringBatch && shard < indexShards-1 {
			continue
		}
		keys = keys[:0]
		err := b.view(func(tx *bolt.Tx) error {
			for _, id := range ids {
				k, err := getKey(tx, id)
				if err == nil && k.RevokedAt.IsZero() && k.ExpiresAt.After(from) && !k.ExpiresAt.After(to) {
					keys = append(keys, k)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range keys { // yield may write, which waits for readers that it would be itself
			if !yield(&keys[i]) {
				return nil
			}
		}
		ids = ids[:0]
	}
	return nil
}

// CountExpiring implements [Store].
func (b *Bolt) CountExpiring(from, to time.Time) (n int, err error) {
	if b.closed.Load() {
		return 0, ErrClosed
	}
	for shard := range indexShards {
		b.index.expiringIn(shard, from.UnixNano(), to.UnixNano(), func(apikey.ID) { n++ })
	}
	return n, nil
}
