package keystore

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// Seen implements [Store]. A record that does not verify counts as one that began
// today, in which nothing was seen yet.
func (b *Bolt) Seen(ids []apikey.ID) ([]apikey.Seen, error) {
	all := make([]apikey.Seen, len(ids))
	err := b.view(func(tx *bolt.Tx) error {
		today := apikey.DayOf(b.now())
		watched, ok := watchedSince(tx)
		if !ok {
			watched = today
		}
		use, err := b.useOf(tx, string(kindSeen), slices.Clone(ids)...)
		if err != nil {
			return err
		}
		for i, id := range ids {
			k, err := getKey(tx, id)
			if err != nil { // there is none, or Check tells of it
				continue
			}
			r, err := storedSeen(use, id)
			if err != nil {
				r = SeenRecord{Since: today}
			}
			all[i] = r.Of(&k, watched)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// storedSeen returns the record of a key, which is empty if it has none. An error
// says that it does not verify.
func storedSeen(r *useRecords, id apikey.ID) (SeenRecord, error) {
	value := r.get(bucketSeen, id[:])
	if value == nil {
		return SeenRecord{}, nil
	}
	return decodeSeen(id[:], value)
}

// changeSeen changes the record of a key. One that does not verify begins anew on a
// day. It writes nothing where nothing changes.
func changeSeen(r *useRecords, id apikey.ID, day apikey.Day, change func(*SeenRecord) bool) error {
	seen, err := storedSeen(r, id)
	if err != nil {
		seen = SeenRecord{Since: day}
	}
	if !change(&seen) && err == nil {
		return nil
	}
	return r.put(bucketSeen, id[:], encodeSeen(id[:], &seen))
}

// saveSeen adds what was seen of a key that is there. What is there already changes
// nothing.
func saveSeen(r *useRecords, id apikey.ID, day apikey.Day, seen *apikey.Sighting) error {
	if !r.hasKey(id) {
		return nil
	}
	return changeSeen(r, id, day, func(record *SeenRecord) bool { return record.add(seen, day) })
}

// beginSeen has a new key watched from the day on that it came to this store: it may
// have been made before, elsewhere.
func beginSeen(tx *bolt.Tx, k *apikey.Key, at time.Time) error {
	r, needed := NewSeenRecord(k, at)
	if !needed {
		return nil
	}
	return tx.Bucket(bucketSeen).Put(k.ID[:], encodeSeen(k.ID[:], &r))
}

// changeScopes begins anew with the scopes that a key is given, and forgets those
// that are taken away.
func (b *Bolt) changeScopes(tx *bolt.Tx, old, k *apikey.Key, at time.Time) error {
	added, removed := ScopesChanged(old, k)
	if len(added)+len(removed) == 0 {
		return nil
	}
	if err := b.settle(tx, k.ID); err != nil {
		return err
	}
	day := apikey.DayOf(at)
	return changeSeen(b.written(tx), k.ID, day, func(r *SeenRecord) bool { return r.rescope(added, removed, day) })
}

// The day from which on use is watched is 4 bytes, big endian.

// watchedSince returns the day from which on the store watches, or false if it
// cannot be read.
func watchedSince(tx *bolt.Tx) (apikey.Day, bool) {
	value := tx.Bucket(bucketMeta).Get(metaWatched)
	if len(value) != 4 {
		return 0, false
	}
	return apikey.Day(binary.BigEndian.Uint32(value)), true
}

func putWatched(tx *bolt.Tx, day apikey.Day) error {
	return tx.Bucket(bucketMeta).Put(metaWatched, binary.BigEndian.AppendUint32(nil, uint32(day)))
}

// beginWatching begins to watch, unless the store does.
func beginWatching(tx *bolt.Tx, now time.Time) error {
	if _, ok := watchedSince(tx); ok {
		return nil
	}
	return putWatched(tx, apikey.DayOf(now))
}

// WatchAnew has the store in a file, which must not be open, forget what was seen of
// the use of keys: the file is a copy, and what was used since it was made is not in
// it. A store whose schema is older than that has nothing to forget.
func WatchAnew(path string) error {
	has := false
	err := withDB(path, beforeWriting, func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error {
			has = tx.Bucket(bucketSeen) != nil
			return nil
		})
	})
	if err == nil && has { // else not a byte is changed
		err = withDB(path, writing, func(db *bolt.DB) error { return db.Update(watchAnew) })
	}
	if err != nil {
		return pathError(path, err)
	}
	return nil
}

func withDB(path string, to purpose, use func(*bolt.DB) error) error {
	db, file, err := openDB(path, 0, to)
	if err != nil {
		return err
	}
	err = guarded(func() error { return use(db) })
	if errors.Is(err, ErrDamaged) { // bbolt panicked, and may have kept its locks
		return errors.Join(err, file.Close())
	}
	return errors.Join(err, db.Close())
}

func watchAnew(tx *bolt.Tx) error {
	if err := tx.DeleteBucket(bucketSeen); err != nil {
		return err
	}
	if _, err := tx.CreateBucket(bucketSeen); err != nil {
		return err
	}
	if err := removeSightings(tx); err != nil {
		return err
	}
	return putWatched(tx, apikey.DayOf(time.Now()))
}
