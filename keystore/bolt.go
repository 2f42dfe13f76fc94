package keystore

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/socialpatra/keygate/apikey"
)

// Bolt is a [Store] in one bbolt file. The file is the source of truth. An
// [Index] in memory answers look-ups and holds what was committed last.
type Bolt struct {
	db    *bolt.DB
	file  *os.File // of db
	index *Index

	// together holds the limits of workspaces, or nil if there are none. The map
	// is never written to: a change replaces it.
	together atomic.Pointer[map[string]apikey.WorkspaceLimits]

	mapped  int64   // bytes of address space that the file may fill before bbolt maps it anew
	about   About   // set while opening
	damaged []error // set while opening
	dropped []error // set while opening, see Dropped

	now func() time.Time

	// Of the journal, held by writing.
	folding   folding
	foldedAt  time.Time     // when a fold began last
	journaled int           // bytes since
	order     []useOrder    // of the last save, to reuse its memory
	foldEvery time.Duration // foldEvery and foldSlice, unless a test wants less
	foldSlice int

	closed atomic.Bool
	passed atomic.Uint32 // records that lists have read since dropPages

	// writing is held by a change from its first look at the old state until the
	// index has the new state. So the index never goes back in time.
	writing  turns
	refusing time.Time             // since when the disk refuses changes; zero if it does not
	failed   atomic.Pointer[error] // why the store takes no more changes
	refused  atomic.Pointer[error] // what refused the last change; nil if it was made
	stuck    atomic.Pointer[error] // why bbolt is no longer called
}

var _ Store = (*Bolt)(nil)

// Damaged returns what did not verify when the store was opened: one error for each
// key, and one for each workspace whose limits cannot be read. All wrap [ErrDamaged] or
// [ErrNewer]. Lookup does not know these keys, and List leaves them out. Get and Update
// return the error; Delete works. An opaque key with the hash of another one can still
// be read, but not changed.
func (b *Bolt) Damaged() []error { return b.damaged }

// Dropped returns one error for each record of the journal of use that did not verify
// when the store was opened. All wrap [ErrDamaged] or [ErrNewer]. These records are no
// longer in the store: the use of that second is lost, unless its keys were used again
// later.
func (b *Bolt) Dropped() []error { return b.dropped }

// Lookup implements [Store].
func (b *Bolt) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	if b.closed.Load() {
		return apikey.Grant{}, false, ErrClosed
	}
	g, ok := b.index.Lookup(id)
	return g, ok, nil
}

// Get implements [Store].
func (b *Bolt) Get(id apikey.ID) (apikey.Key, error) {
	var k apikey.Key
	err := b.view(func(tx *bolt.Tx) (err error) {
		k, err = getKey(tx, id)
		return err
	})
	return k, err
}

func getKey(tx *bolt.Tx, id apikey.ID) (apikey.Key, error) {
	value := tx.Bucket(bucketKeys).Get(id[:])
	if value == nil {
		return apikey.Key{}, notFound(id)
	}
	return decodeKey(id, value)
}

func notFound(id apikey.ID) error { return fmt.Errorf("%s: %w", id, ErrNotFound) }

// Counts implements [Store]. Damaged keys are not counted. After Close the result
// is empty.
func (b *Bolt) Counts(now time.Time) map[apikey.Status]int {
	if b.closed.Load() {
		return nil
	}
	return b.index.Counts(now)
}

// Brand implements [Store].
func (b *Bolt) Brand() (string, error) {
	var brand string
	err := b.view(func(tx *bolt.Tx) error {
		brand = string(tx.Bucket(bucketMeta).Get(metaBrand))
		return nil
	})
	return brand, err
}

// SetBrand implements [Store]. It writes only if the brand changes.
func (b *Bolt) SetBrand(brand string) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	if have, err := b.Brand(); err != nil || have == brand {
		if err == nil {
			err = b.accepting()
		}
		return err
	}
	return b.commit(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(metaBrand, []byte(brand))
	})
}

// Writable implements [Store]. It tells of a change that the disk refused until
// another is made.
func (b *Bolt) Writable() error {
	if err := b.accepting(); err != nil {
		return err
	}
	if refused := b.refused.Load(); refused != nil {
		return *refused
	}
	return nil
}

// Waiting implements [Store].
func (b *Bolt) Waiting() time.Duration { return b.writing.underway.Waiting(b.writing.now()) }

// About implements [Store].
func (b *Bolt) About() About { return b.about }

// Close implements [Store]. It waits for running calls.
func (b *Bolt) Close() error {
	dropped, _ := b.foldAll() // if it fails, whoever opens the store next folds
	if b.closed.Swap(true) {
		return ErrClosed
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if stuck := b.stuck.Load(); stuck != nil {
		_ = b.file.Close() // also releases the lock; bbolt would wait for its own locks
		return *stuck
	}
	return errors.Join(append(dropped, b.db.Close())...)
}

// view runs fn on one consistent view of the file.
func (b *Bolt) view(fn func(*bolt.Tx) error) error {
	if b.closed.Load() {
		return ErrClosed
	}
	tx, err := b.begin(false)
	if err != nil {
		return err
	}
	return guarded(func() error {
		defer tx.Rollback()
		return fn(tx)
	})
}

// begin begins a transaction. If the first pages of the file can no longer be
// read, or a change cannot be rolled back, bbolt panics and keeps its locks, so every
// later call would wait for ever. After that no call is made any more.
func (b *Bolt) begin(writable bool) (*bolt.Tx, error) {
	if stuck := b.stuck.Load(); stuck != nil {
		return nil, *stuck
	}
	var tx *bolt.Tx
	begun := false
	err := guarded(func() (err error) {
		if info, err := b.file.Stat(); err == nil && info.Size() < minSize() {
			return fmt.Errorf("%w: %d bytes are left of the file; %s", ErrDamaged, info.Size(), adviceDamaged)
		}
		begun = true
		tx, err = b.db.Begin(writable)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return nil, ErrClosed
	case begun && errors.Is(err, ErrDamaged):
		b.stuck.Store(&err)
	case err != nil && !IsFailure(err):
		err = Unavailable(err)
	}
	return tx, err
}

// minSize is the size of the two pages that every transaction reads first.
func minSize() int64 { return 2 * int64(os.Getpagesize()) }

// guarded runs fn, which reads the file that bbolt maps into memory. A damaged
// file makes bbolt panic, and a truncated one makes the kernel send SIGBUS. Both
// become an error that wraps ErrDamaged and do not end the process.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // for this goroutine only
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the file cannot be read (%v); %s", ErrDamaged, p, adviceDamaged)
		}
	}()
	return fn()
}
