package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// commit runs fn as one transaction, on disk when commit returns nil. The
// caller holds b.writing. An error of fn leaves everything as it was. When the
// disk fails, the error wraps ErrNotWritten or ErrUnknownOutcome; after the
// latter the caller must deny what the change may have taken away.
func (b *Bolt) commit(fn func(*bolt.Tx) error) error {
	if err := b.accepting(); err != nil {
		return err
	}
	committing, id := false, 0
	tx, err := b.begin(true)
	if err != nil {
		return err
	}
	err = guarded(func() error {
		defer tx.Rollback() // does nothing after Commit
		if err := fn(tx); err != nil {
			return err
		}
		committing, id = true, tx.ID()
		return tx.Commit()
	})
	switch {
	case err == nil || !committing:
		return err
	case unwritten(err) && b.lastCommitted() < id:
		return fmt.Errorf("%w: %w%s", ErrNotWritten, err, advice(err))
	}
	b.failed.Store(new(fmt.Errorf("a change failed: %w", err)))
	return fmt.Errorf("%w: %w; it shows when Caddy is restarted, and until then no change is accepted and what may have been taken away is denied",
		ErrUnknownOutcome, err)
}

// accepting returns why there are no more changes, or nil. Where a change turns
// out to be none, its method has to ask: what looks done already may be what
// the disk did not take.
func (b *Bolt) accepting() error {
	if b.closed.Load() {
		return ErrClosed
	}
	if failed := b.failed.Load(); failed != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, *failed)
	}
	return nil
}

// unwritten reports whether the system refused to take bytes. Then they are in
// no cache, and cannot reach the disk later. Of what a sync failed for, nobody
// knows; bbolt returns such an error as the bare number.
func unwritten(err error) bool {
	var refused *fs.PathError
	return errors.As(err, &refused) && refused.Op == "write" || strings.HasPrefix(err.Error(), resizeFailed) ||
		strings.HasPrefix(err.Error(), resizeSyncFailed) && full(err)
}

// How bbolt begins the errors of making the file larger and of syncing that,
// which it does before anything is written. They wrap nothing. A sync that finds
// the disk full has no more to tell; another error of it may be about what was
// written before.
const (
	resizeFailed     = "file resize error: "
	resizeSyncFailed = "file sync error: "
)

// lastCommitted returns the number of the last transaction that the file has,
// as the system would show it to everyone. A transaction is in force from the
// moment that its meta page is written, the last of its writes.
func (b *Bolt) lastCommitted() int {
	last := math.MaxInt // where it cannot be read, nobody knows
	_ = b.view(func(tx *bolt.Tx) error {
		last = tx.ID()
		return nil
	})
	return last
}

// advice says what to do about a disk that takes nothing.
func advice(err error) string {
	if strings.Contains(err.Error(), syscall.EROFS.Error()) {
		return "; make the disk of the key store writable, and send the change again"
	}
	if full(err) {
		return "; free space on the disk of the key store, and send the change again"
	}
	return ""
}

// full reports whether a disk has no room, or none for this user.
func full(err error) bool {
	return strings.Contains(err.Error(), syscall.ENOSPC.Error()) || strings.Contains(err.Error(), syscall.EDQUOT.Error())
}
