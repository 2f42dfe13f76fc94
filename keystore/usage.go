package keystore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// SaveUsage implements [Store]. It takes one transaction. Records on the same
// page of the file are written one after the other, so that the page is still in
// the processor's cache: a gateway saves thousands of records every second.
func (b *Bolt) SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error {
	if len(keys)+len(workspaces) == 0 && !b.closed.Load() {
		return nil
	}
	slices.SortFunc(keys, func(a, b apikey.Usage) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), bytes.Compare(a.ID[:], b.ID[:]))
	})
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.commit(func(tx *bolt.Tx) error {
		saved := tx.Bucket(bucketUsage).Cursor()
		for i := range keys {
			if err := b.saveUsage(tx, saved, keys[i]); err != nil {
				return err
			}
		}
		for i := range workspaces {
			if err := saveTogether(tx, workspaces[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// saveUsage never lowers a total: a stored count was charged, and a late or
// damaged batch must not give it back. saved is a cursor of the usage bucket. One
// cursor for all records allocates what Get would allocate for each.
func (b *Bolt) saveUsage(tx *bolt.Tx, saved *bolt.Cursor, u apikey.Usage) error {
	name := usageKey(u.Day, u.ID)
	used := u.LastUsed != 0
	if found, value := saved.Seek(name); bytes.Equal(found, name) {
		// A record that does not verify is replaced, because totals do not depend
		// on earlier records.
		if have, err := decodeUsage(name, value); err == nil {
			used = u.LastUsed > have.LastUsed // otherwise saveLastUsed has seen it already
			u.Charged = max(u.Charged, have.Charged)
			u.Allowed = max(u.Allowed, have.Allowed)
			u.Limited = max(u.Limited, have.Limited)
			u.Denied = max(u.Denied, have.Denied)
			u.LastUsed = max(u.LastUsed, have.LastUsed)
		}
	} else if tx.Bucket(bucketKeys).Get(u.ID[:]) == nil { // use does not outlive its key
		if u.Charged == 0 || b.index.accounts.usersOf(u.ID) == 0 {
			return nil
		}
		u, used = chargeOf(u), false
	}
	if err := saved.Bucket().Put(name, encodeUsage(name, &u)); err != nil || !used {
		return err
	}
	return saveLastUsed(tx, u.ID, u.LastUsed)
}

func saveLastUsed(tx *bolt.Tx, id apikey.ID, seconds int64) error {
	lastUsed := tx.Bucket(bucketLastUsed)
	if value := lastUsed.Get(id[:]); value != nil {
		if have, err := decodeLastUsed(id, value); err == nil && have.Unix() >= seconds {
			return nil
		}
	}
	return lastUsed.Put(id[:], encodeLastUsed(id, seconds))
}

// exhausted replaces a count that does not verify. It is more than any quota,
// because a lower count might grant requests twice.
const exhausted = math.MaxUint32

// UsageSince implements [Store]. The functions may call the store.
func (b *Bolt) UsageSince(day apikey.Day, key func(apikey.Usage), workspace func(apikey.WorkspaceUsage)) error {
	var damaged error
	err := b.eachSince(bucketUsage, day, func(name, value []byte) func() {
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
	err = b.eachSince(bucketTogetherUsage, day, func(name, value []byte) func() {
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

// eachSince reads the records of a day and later days, page by page. It calls the
// functions that read returned, unless they are nil, after the page's transaction
// has ended.
func (b *Bolt) eachSince(bucket []byte, day apikey.Day, read func(name, value []byte) func()) error {
	for next := appendDay(nil, day); next != nil; {
		var page []func()
		err := b.view(func(tx *bolt.Tx) error {
			if tx.Bucket(bucket) == nil { // the store's schema is older than this bucket
				next = nil
				return nil
			}
			cursor := tx.Bucket(bucket).Cursor()
			name, value := cursor.Seek(next)
			for ; name != nil && len(page) < MaxPage; name, value = cursor.Next() {
				page = append(page, read(name, value))
			}
			next = bytes.Clone(name)
			return nil
		})
		if err != nil {
			return err
		}
		for _, yield := range page {
			if yield != nil {
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
		for name, value := range usageOf(tx, id, from, to) {
			u, err := decodeUsage(name, value)
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
	err := b.view(func(tx *bolt.Tx) (err error) {
		at, err = lastUsed(tx, id)
		return err
	})
	return at, err
}

func lastUsed(tx *bolt.Tx, id apikey.ID) (time.Time, error) {
	value := tx.Bucket(bucketLastUsed).Get(id[:])
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

// The use of a workspace is one field of those of a key's use: what was charged.
// It is stored under the day, as usageKey writes it, and the name of the
// workspace.

func togetherKey(day apikey.Day, workspace string) []byte {
	return append(appendDay(make([]byte, 0, dayLen+len(workspace)), day), workspace...)
}

func appendDay(b []byte, day apikey.Day) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(day)^1<<31)
}

// saveTogether never lowers a total, like saveUsage.
func saveTogether(tx *bolt.Tx, u apikey.WorkspaceUsage) error {
	days, name := tx.Bucket(bucketTogetherUsage), togetherKey(u.Day, u.Workspace)
	if value := days.Get(name); value != nil {
		if have, err := decodeTogether(name, value); err == nil {
			u.Charged = max(u.Charged, have.Charged)
		}
	}
	return days.Put(name, seal(bucketTogetherUsage, name, appendVarint(newSealed(8), fieldCharged, u.Charged)))
}

// decodeTogether returns the day and the workspace even if the value does not
// verify.
func decodeTogether(name, value []byte) (apikey.WorkspaceUsage, error) {
	if len(name) <= dayLen || apikey.CheckWorkspace(string(name[dayLen:])) != nil {
		return apikey.WorkspaceUsage{}, fmt.Errorf("%w: the use of a workspace is stored under the name %s", ErrDamaged, quoteName(name))
	}
	u := apikey.WorkspaceUsage{Workspace: string(name[dayLen:]), Day: apikey.Day(binary.BigEndian.Uint32(name) ^ 1<<31)}
	fields, err := unseal(bucketTogetherUsage, name, value)
	if err == nil {
		err = eachField(fields, func(field protowire.Number, v uint64) bool {
			u.Charged = v
			return field == fieldCharged
		}, func(protowire.Number, []byte) bool { return false })
	}
	if err != nil {
		return u, fmt.Errorf("the use of workspace %s on %s: %w", u.Workspace, u.Day, err)
	}
	return u, nil
}
