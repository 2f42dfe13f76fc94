package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// commit runs fn as one transaction, which is on disk when commit returns nil.
// The caller holds b.writing. If fn returns an error, nothing changes. If the
// disk fails, the error wraps ErrNotWritten or ErrUnknownOutcome. After
// ErrUnknownOutcome the caller must deny whatever the change may have taken away.
func (b *Bolt) commit(fn func(*bolt.Tx) error) error {
	if err := b.accepting(); err != nil {
		return err
	}
	committing, id := false, 0
	tx, err := b.begin(true)
	if err != nil {
		return err
	}
	rolledBack := false
	err = guarded(func() error {
		defer func() { _, rolledBack = tx.Rollback(), true }() // does nothing after Commit
		if err := fn(tx); err != nil {
			return err
		}
		committing, id = true, tx.ID()
		return tx.Commit()
	})
	if !rolledBack { // bbolt panicked, and keeps its locks
		b.stuck.Store(&err)
	}
	switch {
	case err == nil:
		b.refusing, _ = time.Time{}, b.refused.Swap(nil)
		return nil
	case !committing:
		return err
	case unwritten(err) && b.lastCommitted() < id:
		b.refuse(err)
		return fmt.Errorf("%w: %w%s", ErrNotWritten, err, advice(err))
	}
	b.failed.Store(new(fmt.Errorf("a change failed at %s: %w", b.now().UTC().Format(time.RFC3339), err)))
	return fmt.Errorf("%w: %w; it shows when Caddy is restarted, and until then no change is accepted and what may have been taken away is denied",
		ErrUnknownOutcome, err)
}

// refuse notes that the disk refused a change, for Writable to tell.
func (b *Bolt) refuse(err error) {
	if b.refusing.IsZero() {
		b.refusing = b.now()
	}
	b.refused.Store(new(fmt.Errorf("%w: the disk has refused changes since %s: %w%s", ErrNotWritten,
		b.refusing.UTC().Format(time.RFC3339), err, advice(err))))
}

// accepting returns why the store takes no more changes, or nil. A method must
// call it even if its change turns out to change nothing: the state that looks
// right may be exactly what the disk did not take.
func (b *Bolt) accepting() error {
	if b.closed.Load() {
		return ErrClosed
	}
	if stuck := b.stuck.Load(); stuck != nil {
		return *stuck
	}
	if failed := b.failed.Load(); failed != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *failed)
	}
	return nil
}

// unwritten reports whether the system refused to take bytes. Such bytes are in
// no cache and cannot reach the disk later. After a failed sync, in contrast, the
// outcome is unknown. bbolt returns such an error as the bare number.
func unwritten(err error) bool {
	var refused *fs.PathError
	return errors.As(err, &refused) && refused.Op == "write" || strings.HasPrefix(err.Error(), resizeFailed) ||
		strings.HasPrefix(err.Error(), resizeSyncFailed) && full(err)
}

// How bbolt begins its errors about growing the file, and about syncing that
// growth. Both happen before anything is written. These errors wrap nothing. If
// that sync finds the disk full, nothing else is wrong. Any other error of it may
// concern earlier writes.
const (
	resizeFailed     = "file resize error: "
	resizeSyncFailed = "file sync error: "
)

// lastCommitted returns the number of the last transaction in the file, as the
// system would show it to any reader. A transaction takes effect when its meta
// page is written, which is its last write.
func (b *Bolt) lastCommitted() int {
	last := math.MaxInt // if it cannot be read, nobody knows
	_ = b.view(func(tx *bolt.Tx) error {
		last = tx.ID()
		return nil
	})
	return last
}

// advice says what to do about a disk that takes no writes.
func advice(err error) string {
	if strings.Contains(err.Error(), syscall.EROFS.Error()) {
		return "; make the disk of the key store writable, and send the change again"
	}
	if full(err) {
		return "; free space on the disk of the key store, and send the change again"
	}
	return ""
}

// full reports whether a disk has no room, or no room for this user.
func full(err error) bool {
	return strings.Contains(err.Error(), syscall.ENOSPC.Error()) || strings.Contains(err.Error(), syscall.EDQUOT.Error())
}
