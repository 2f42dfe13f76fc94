package keystore

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// recordsPage is how many records one transaction reads of a bucket that is read
// whole. While a transaction is open, the file cannot reuse space.
const recordsPage = 1000

// eachRecord calls read with the records of a bucket from a name on, in their
// order. It calls the functions that read returned, unless they are nil, after the
// transaction has ended in which the records were read, so that they may call the
// store. The names and values are the transaction's.
func (b *Bolt) eachRecord(bucket, from []byte, read func(tx *bolt.Tx, name, value []byte) func()) error {
	for next := from; next != nil; {
		var page []func()
		err := b.view(func(tx *bolt.Tx) error {
			if tx.Bucket(bucket) == nil { // the store's schema is older than this bucket
				next = nil
				return nil
			}
			cursor := tx.Bucket(bucket).Cursor()
			name, value := cursor.Seek(next)
			for n := 0; name != nil && n < recordsPage; n++ {
				if yield := read(tx, name, value); yield != nil {
					page = append(page, yield)
				}
				name, value = cursor.Next()
			}
			next = bytes.Clone(name)
			return nil
		})
		if err != nil {
			return err
		}
		for _, yield := range page {
			yield()
		}
	}
	return nil
}
