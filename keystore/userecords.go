package keystore

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// useRecords are the records of use of one transaction: those in the file, or in
// memory over them. So what a reader sees of the journal is what the fold writes.
type useRecords struct {
	tx    *bolt.Tx
	usage *bolt.Cursor                // one for all records: Get would allocate for each
	keys  *bolt.Cursor                // likewise
	over  map[string][]byte           // by bucket and name, see overName; nil: records are written to the file
	users func(account apikey.ID) int // see accounts.usersOf
}

// written are the records in the file, which are changed.
func (b *Bolt) written(tx *bolt.Tx) *useRecords {
	return &useRecords{tx: tx, usage: tx.Bucket(bucketUsage).Cursor(), keys: tx.Bucket(bucketKeys).Cursor(), users: b.index.accounts.usersOf}
}

// unwritten are the records as they are changed in memory alone.
func (b *Bolt) unwritten(tx *bolt.Tx) *useRecords {
	r := b.written(tx)
	r.over = make(map[string][]byte)
	return r
}

func overName(bucket, name []byte) string { return string(bucket) + "\x00" + string(name) }

func (r *useRecords) get(bucket, name []byte) []byte {
	if len(r.over) > 0 {
		if value, ok := r.over[overName(bucket, name)]; ok {
			return value
		}
	}
	if records := r.tx.Bucket(bucket); records != nil { // otherwise the store's schema is older
		return records.Get(name)
	}
	return nil
}

func (r *useRecords) put(bucket, name, value []byte) error {
	if r.over != nil {
		r.over[overName(bucket, name)] = value
		return nil
	}
	return r.tx.Bucket(bucket).Put(name, value)
}

// getUsage is get of a usage record.
func (r *useRecords) getUsage(name []byte) []byte {
	if r.over != nil {
		return r.get(bucketUsage, name)
	}
	if found, value := r.usage.Seek(name); bytes.Equal(found, name) {
		return value
	}
	return nil
}

// hasKey reports whether there is a key, whose record need not verify.
func (r *useRecords) hasKey(id apikey.ID) bool {
	found, _ := r.keys.Seek(id[:])
	return bytes.Equal(found, id[:])
}
