package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// pruneBatch is how many records one transaction removes at most, so that a
// change waits only milliseconds while years of records are pruned.
const pruneBatch = 1000

// errNothingToPrune ends a transaction without a write.
var errNothingToPrune = errors.New("nothing to prune")

// Prune implements [Store]. It takes several transactions, so that other changes
// get their turn in between. It removes audit entries from the oldest on, up to
// the first that is to stay. An entry that does not verify is removed with those
// around it.
func (b *Bolt) Prune(day apikey.Day, before time.Time) error {
	damaged, err := b.foldAll() // or what is pruned would come back
	if err != nil {
		return err
	}
	for _, prune := range []func(*bolt.Tx) (removed int, err error){
		func(tx *bolt.Tx) (int, error) { return pruneUsage(tx, bucketUsage, day) },
		func(tx *bolt.Tx) (int, error) { return pruneUsage(tx, bucketTogetherUsage, day) },
		func(tx *bolt.Tx) (int, error) { return pruneAudit(tx, before) },
	} {
		for {
			err := b.pruneOnce(prune)
			if errors.Is(err, errNothingToPrune) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return errors.Join(damaged...)
}

func (b *Bolt) pruneOnce(prune func(*bolt.Tx) (removed int, err error)) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.commit(func(tx *bolt.Tx) error {
		removed, err := prune(tx)
		if err == nil && removed == 0 {
			return errNothingToPrune
		}
		return err
	})
}

// pruneUsage removes records of days before the given one.
func pruneUsage(tx *bolt.Tx, bucket []byte, day apikey.Day) (removed int, err error) {
	usage, end := tx.Bucket(bucket), appendDay(nil, day)
	var names [][]byte
	cursor := usage.Cursor()
	for name, _ := cursor.First(); name != nil && len(names) < pruneBatch; name, _ = cursor.Next() {
		if bytes.Compare(name, end) >= 0 {
			break
		}
		names = append(names, name)
	}
	return len(names), deleteAll(usage, names)
}

func pruneAudit(tx *bolt.Tx, before time.Time) (removed int, err error) {
	audit := tx.Bucket(bucketAudit)
	var names, byKey [][]byte
	var places []AuditPlace
	damaged, unplaced := make(map[string]bool), make(map[string]bool) // which tell no key, and no place
	old := 0                                                          // so many of names are known to be old, or lie before one that is
	cursor := audit.Cursor()
	for name, value := cursor.First(); name != nil && (len(names) < pruneBatch || old == 0); name, value = cursor.Next() {
		var e struct {
			At        time.Time `json:"at"`
			Key       apikey.ID `json:"key_id"`
			Workspace string    `json:"workspace"`
		}
		if len(name) != seqLen {
			continue // Check reports it
		}
		if err := decodeAudit(name, value, &e); err != nil {
			damaged[string(name)], unplaced[string(name)] = true, true
			names = append(names, name)
			continue
		}
		if !e.At.Before(before) {
			break
		}
		names = append(names, name)
		if old = len(names); e.Key.IsZero() {
			if at, ok := findPlace(tx, e.Workspace, binary.BigEndian.Uint64(name)); ok {
				places = append(places, at)
			} else {
				unplaced[string(name)] = true
			}
			continue
		}
		byKey = append(byKey, append(e.Key[:], name...))
		switch at, err := placeOf(tx, e.Key, name); {
		case err != nil:
			unplaced[string(name)] = true
		case at.Number > 0:
			places = append(places, at)
		}
	}
	for _, name := range names[old:] {
		delete(damaged, string(name))
		delete(unplaced, string(name))
	}
	if len(damaged) > 0 {
		byKey = append(byKey, auditByKey(tx, damaged)...)
	}
	if len(unplaced) > 0 {
		places = append(places, placesOf(tx, unplaced)...)
	}
	if err := deleteAll(audit, names[:old]); err != nil {
		return 0, err
	}
	if err := deleteAll(tx.Bucket(bucketAuditByKey), byKey); err != nil {
		return 0, err
	}
	return old, deletePlaces(tx, places)
}

// auditByKey searches all keys for entries that no longer say which key they are
// about.
func auditByKey(tx *bolt.Tx, seqs map[string]bool) (names [][]byte) {
	cursor := tx.Bucket(bucketAuditByKey).Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
		if seq := name[max(0, len(name)-seqLen):]; seqs[string(seq)] {
			names = append(names, name)
		}
	}
	return names
}

func deleteAll(bucket *bolt.Bucket, names [][]byte) error {
	for _, name := range names {
		if err := bucket.Delete(name); err != nil {
			return err
		}
	}
	return nil
}
