package keystore

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// exhausted replaces a count that does not verify. It is more than any quota,
// because a lower count might grant requests twice.
const exhausted = math.MaxUint32

// UsageSince implements [Store]. The functions may call the store.
func (b *Bolt) UsageSince(day apikey.Day, key func(apikey.Usage), workspace func(apikey.WorkspaceUsage)) error {
	over, err := b.unfolded()
	if err != nil {
		return err
	}
	var damaged error
	err = b.eachSince(bucketUsage, day, over, func(name, value []byte) func() {
		u, err := decodeUsage(name, value)
		if err != nil {
			damaged = errors.Join(damaged, err)
			if u.Day, u.ID, _ = splitUsageKey(name); u.ID.IsZero() {
				return nil
			}
			u.Charged = exhausted
		}
		return func() { key(u) }
	})
	if err != nil {
		return err
	}
	err = b.eachSince(bucketTogetherUsage, day, over, func(name, value []byte) func() {
		u, err := decodeTogether(name, value)
		if err != nil {
			damaged = errors.Join(damaged, err)
			if u.Workspace == "" {
				return nil
			}
			u.Charged = exhausted
		}
		return func() { workspace(u) }
	})
	return errors.Join(err, damaged)
}

// unfolded returns the records that folding the journal would write, in memory. A
// store that could be written to when it was opened has folded it then.
func (b *Bolt) unfolded() (map[string][]byte, error) {
	var over map[string][]byte
	err := b.view(func(tx *bolt.Tx) error {
		r := b.unwritten(tx)
		over = r.over
		return readJournal(tx, string([]byte{kindKeys, kindWorkspaces}), everything).fold(r, new(folding), math.MaxInt)
	})
	return over, err
}

// useOf returns the records of use as they are once all that the journal has of some
// keys, of some kinds, is folded. It sorts ids.
func (b *Bolt) useOf(tx *bolt.Tx, kinds string, ids ...apikey.ID) (*useRecords, error) {
	r := b.unwritten(tx)
	slices.SortFunc(ids, compareIDs)
	_, err := readJournal(tx, kinds, everything).addAll(r, slices.Compact(ids))
	return r, err
}

// eachSince is eachRecord for a day and later days, with the records in memory in
// their place or after them.
func (b *Bolt) eachSince(bucket []byte, day apikey.Day, over map[string][]byte, read func(name, value []byte) func()) error {
	first := appendDay(nil, day)
	err := b.eachRecord(bucket, first, func(_ *bolt.Tx, name, value []byte) func() {
		place := overName(bucket, name)
		if changed, ok := over[place]; ok {
			value = changed
			delete(over, place)
		}
		return read(name, value)
	})
	if err != nil {
		return err
	}
	for place, value := range over {
		if name, ok := strings.CutPrefix(place, overName(bucket, nil)); ok && name >= string(first) {
			if yield := read([]byte(name), value); yield != nil {
				yield()
			}
		}
	}
	return nil
}

// Usage implements [Store].
func (b *Bolt) Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error) {
	var usage []apikey.Usage
	err := b.view(func(tx *bolt.Tx) error {
		r, err := b.useOf(tx, string(kindKeys), id)
		if err != nil {
			return err
		}
		records := make(map[string][]byte)
		for name, value := range usageOf(tx, id, from, to) {
			records[string(name)] = value
		}
		for place, value := range r.over {
			if name, ok := strings.CutPrefix(place, overName(bucketUsage, nil)); ok {
				if day, _, ok := splitUsageKey([]byte(name)); ok && from <= day && day <= to {
					records[name] = value
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(records)) {
			u, err := decodeUsage([]byte(name), records[name])
			if err != nil {
				return err
			}
			usage = append(usage, u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return usage, nil
}

// LastUsed implements [Store].
func (b *Bolt) LastUsed(id apikey.ID) (time.Time, error) {
	var at time.Time
	err := b.view(func(tx *bolt.Tx) error {
		r, err := b.useOf(tx, string(kindKeys), id)
		if err == nil {
			at, err = r.lastUsed(id)
		}
		return err
	})
	return at, err
}

func (r *useRecords) lastUsed(id apikey.ID) (time.Time, error) {
	value := r.get(bucketLastUsed, id[:])
	if value == nil {
		return time.Time{}, nil
	}
	return decodeLastUsed(id, value)
}

// usageOf yields the usage records of one key from one day to another, oldest
// first. It seeks at most twice for each day with stored use.
func usageOf(tx *bolt.Tx, id apikey.ID, from, to apikey.Day) func(yield func(name, value []byte) bool) {
	return func(yield func(name, value []byte) bool) {
		cursor := tx.Bucket(bucketUsage).Cursor()
		name, value := cursor.Seek(usageKey(from, id))
		for name != nil {
			day, found, ok := splitUsageKey(name)
			switch {
			case !ok:
				name, value = cursor.Next()
				continue
			case day > to, found == id && !yield(name, value):
				return
			case bytes.Compare(found[:], id[:]) < 0: // a new day, but before this key
			case day == to:
				return
			default:
				day++
			}
			name, value = cursor.Seek(usageKey(day, id))
		}
	}
}
