package keystore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// Builder fills a new store file with the content of another store. If a method
// fails, the file is useless.
type Builder struct {
	b    *Bolt
	tx   *bolt.Tx
	puts int // in tx

	accounts map[apikey.ID]apikey.ID // of keys that are not their own
}

// buildBatch is how many records one transaction holds in memory.
const buildBatch = 1000

// BuildFile makes a store file at path, where no file may exist, and calls fill
// to fill it. brand is the brand of the store, and seq is the number of its last
// audit entry.
func BuildFile(path, brand string, seq uint64, fill func(*Builder) error) (err error) {
	b, err := OpenBolt(path)
	if err != nil {
		return err
	}
	b.db.NoSync = true // nobody uses the file before it is complete
	f := &Builder{b: b, accounts: make(map[apikey.ID]apikey.ID)}
	defer func() {
		if f.tx != nil {
			err = errors.Join(err, f.tx.Rollback())
		}
		err = errors.Join(err, b.Close())
	}()
	if err := f.put(func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketAudit).SetSequence(seq); err != nil || brand == "" {
			return err
		}
		return tx.Bucket(bucketMeta).Put(metaBrand, []byte(brand))
	}); err != nil {
		return err
	}
	if err := fill(f); err != nil {
		return err
	}
	if err := f.commit(); err != nil {
		return err
	}
	return b.db.Sync()
}

func (f *Builder) put(fn func(*bolt.Tx) error) (err error) {
	if f.tx == nil {
		if f.tx, err = f.b.db.Begin(true); err != nil {
			return err
		}
	}
	if err := fn(f.tx); err != nil {
		return err
	}
	if f.puts++; f.puts < buildBatch {
		return nil
	}
	return f.commit()
}

func (f *Builder) commit() error {
	if f.tx == nil {
		return nil
	}
	tx := f.tx
	f.tx, f.puts = nil, 0
	return tx.Commit()
}

// Key adds a key, without an audit entry.
func (f *Builder) Key(k *apikey.Key) error {
	if !k.Account.IsZero() {
		f.accounts[k.ID] = k.Account
	}
	return f.put(func(tx *bolt.Tx) error { return putKey(tx, k) })
}

// Usage adds what a key did on a day, once for each day. The key must have been
// added, or those that are on its account. What another store charged to a key is
// charged to its account here.
func (f *Builder) Usage(u apikey.Usage) error {
	account, elsewhere := f.accounts[u.ID]
	if !elsewhere || u.Charged == 0 {
		return f.addUsage(u)
	}
	charge := apikey.Usage{ID: account, Day: u.Day, Charged: u.Charged}
	u.Charged = 0
	return errors.Join(f.addUsage(u), f.addUsage(charge))
}

func (f *Builder) addUsage(u apikey.Usage) error {
	return f.put(func(tx *bolt.Tx) error {
		name := usageKey(u.Day, u.ID)
		if value := tx.Bucket(bucketUsage).Get(name); value != nil { // of the other keys on its account
			have, err := decodeUsage(name, value)
			if err != nil {
				return err
			}
			u.Charged += have.Charged
			u.Allowed += have.Allowed
			u.Limited += have.Limited
			u.Denied += have.Denied
			u.LastUsed = max(u.LastUsed, have.LastUsed)
		}
		return tx.Bucket(bucketUsage).Put(name, encodeUsage(name, &u))
	})
}

// LastUsed records when a key was last used. The usage record of that day need
// not exist any more.
func (f *Builder) LastUsed(id apikey.ID, at time.Time) error {
	return f.put(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketLastUsed).Put(id[:], encodeLastUsed(id, at.Unix()))
	})
}

// Seen adds what was seen of the use of a key.
func (f *Builder) Seen(id apikey.ID, r *SeenRecord) error {
	return f.put(func(tx *bolt.Tx) error { return tx.Bucket(bucketSeen).Put(id[:], encodeSeen(id[:], r)) })
}

// Watched says from which day on use is watched. Without it that is today.
func (f *Builder) Watched(day apikey.Day) error {
	return f.put(func(tx *bolt.Tx) error { return putWatched(tx, day) })
}

// WorkspaceUsage adds what a workspace was charged on a day.
func (f *Builder) WorkspaceUsage(u apikey.WorkspaceUsage) error {
	return f.put(func(tx *bolt.Tx) error { return saveTogether(f.b.written(tx), u) })
}

// WorkspaceLimits adds the limits of a workspace.
func (f *Builder) WorkspaceLimits(workspace string, lim apikey.WorkspaceLimits) error {
	return f.put(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketTogether).Put([]byte(workspace), EncodeLimits(workspace, lim))
	})
}

// Audit adds an audit entry with its own number, and its place in the trail of a
// workspace, zero if it has none.
func (f *Builder) Audit(e AuditEntry, at AuditPlace) error {
	changed, err := json.Marshal(e.Changes)
	if err != nil {
		return fmt.Errorf("audit entry %d: %w", e.Seq, err)
	}
	if len(e.Changes) == 0 {
		changed = nil
	}
	return f.put(func(tx *bolt.Tx) error {
		if err := putEntry(tx, e, at, changed); err != nil || at.Number == 0 {
			return err
		}
		return putPlaced(tx, at, e.Seq)
	})
}

// AuditNumber adds the last number in the trail of a workspace that has no entry left.
func (f *Builder) AuditNumber(last AuditPlace) error {
	return f.put(func(tx *bolt.Tx) error { return putLastNumber(tx, last) })
}
