package keystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long opening a store waits for another process to release
// it.
const lockTimeout = time.Second

// growStep is how many bytes a file grows by. As the map is reserved, bbolt's
// default of 16 MiB would also be the size of the smallest store.
const growStep = 1 << 20

// OpenBolt opens the store in the file at path, or creates it. A new file has
// mode 0600, and a new folder has mode 0700. OpenBolt reads every key, which
// takes a second or two for a million. [Bolt.About] tells whether it made the
// store.
//
// It refuses a file that is a symbolic link, writable by others, empty, damaged,
// not a Keygate store, or written by a newer Keygate. It changes nothing in a
// file that it refuses. If another process holds the file, the error wraps
// [ErrInUse] and comes after at most a second. It names the process if the system
// does. Records that do not verify are no error, see [Bolt.Damaged].
func OpenBolt(path string) (*Bolt, error) {
	return openAt(path, true)
}

// OpenExistingBolt is [OpenBolt] for a store that there must be: it makes none,
// and no folder. If nothing is at path, the error wraps [fs.ErrNotExist].
func OpenExistingBolt(path string) (*Bolt, error) {
	return openAt(path, false)
}

func openAt(path string, create bool) (*Bolt, error) {
	b, err := openBolt(path, create)
	if err != nil {
		return nil, pathError(path, err)
	}
	return b, nil
}

func openBolt(path string, create bool) (*Bolt, error) {
	if path == "" {
		return nil, errors.New("no path is given")
	}
	b := newBolt(path)
	var err error
	if create {
		if b.about.Made, err = createMissing(path); err != nil {
			return nil, adviseAccess(err)
		}
	}
	// bbolt may write to a file when it opens it for writing, and follows what its
	// pages say, so the file is checked before. The keys are read now, too: the pages
	// that this touches count as memory of the process until the map is closed.
	if b.db, b.file, err = openDB(path, 0, beforeWriting); err != nil {
		return nil, err
	}
	seen, err := b.load()
	if err = errors.Join(err, b.db.Close()); err != nil {
		return nil, err
	}
	if err = b.openReserving(path, reservations()); err != nil {
		return nil, err
	}
	b.db.AllocSize = growStep
	// The process that made the store may have ended before the name was on disk.
	err = syncFolder(filepath.Dir(path))
	if err == nil {
		err = b.reloadUnless(seen)
	}
	if err == nil {
		err = b.upgrade()
	}
	if err == nil {
		err = b.foldOpened()
	}
	if err != nil {
		b.db.Close()
		return nil, err
	}
	return b, nil
}

// newBolt returns a store that is not open yet.
func newBolt(path string) *Bolt {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	about := About{Kind: "bbolt", Place: path, Schema: schemaVersion}
	return &Bolt{about: about, now: time.Now, writing: turns{now: time.Now}, foldEvery: foldEvery, foldSlice: foldSlice}
}

// upgrade brings a store with an older schema up to date in one transaction.
func (b *Bolt) upgrade() error {
	var schema uint32
	watched := false
	err := b.view(func(tx *bolt.Tx) error {
		schema = schemaOf(tx)
		_, watched = watchedSince(tx)
		return nil
	})
	if err != nil || schema == schemaVersion && watched {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if err := b.commit(upgradeSchema); err != nil {
		return fmt.Errorf("upgrading it from schema %d to %d: %w", schema, schemaVersion, err)
	}
	if schema != schemaVersion {
		b.about.UpgradedFrom = int(schema)
	}
	return nil
}

// foldOpened folds what a process that was killed has left in the journal. A disk that
// takes no writes is no reason not to serve: readers know the journal.
func (b *Bolt) foldOpened() (err error) {
	b.foldedAt = b.now()
	if b.dropped, err = b.foldAll(); errors.Is(err, ErrNotWritten) {
		return nil
	}
	return err
}

// reloadUnless reads the keys again if another process has written after the
// transaction seen.
func (b *Bolt) reloadUnless(seen int) error {
	var last int
	err := b.view(func(tx *bolt.Tx) error {
		last = tx.ID()
		return nil
	})
	if err == nil && last != seen {
		_, err = b.load()
	}
	return err
}

// purpose is what a file is opened for.
type purpose int

const (
	reading       purpose = iota
	beforeWriting         // reading, and then writing: what is free is checked as well
	writing               // once it was checked
)

// openDB opens and locks an existing file, and checks that it is complete and a
// store. It maps at least reserve bytes. The file that it returns belongs to db;
// callers may ask for its size.
func openDB(path string, reserve int, to purpose) (db *bolt.DB, file *os.File, err error) {
	info, err := checkFile(path)
	if err != nil {
		return nil, nil, err
	}
	options := &bolt.Options{
		Timeout:         lockTimeout,
		ReadOnly:        to != writing,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: reserve,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
			if err != nil {
				return nil, err
			}
			if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
				f.Close()
				return nil, errReplaced
			}
			file = f
			return f, nil
		},
	}
	err = guarded(func() (err error) {
		db, err = bolt.Open(path, 0o600, options)
		return err
	})
	if err != nil {
		if file != nil {
			file.Close() // also releases the lock, which bbolt keeps after a panic
		}
		return nil, nil, explainOpen(err, info)
	}
	err = checkPlace(path, info) // again, because opening may have waited for the lock
	if err == nil {
		err = checkDB(db, file, to)
	}
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, file, nil
}

// checkPlace refuses a file that is no longer at its path. If a restore or a
// compaction has replaced it, whatever is written to it is lost.
func checkPlace(path string, info fs.FileInfo) error {
	if there, err := os.Lstat(path); err != nil || !os.SameFile(info, there) {
		return errReplaced
	}
	return nil
}

var errReplaced = errors.New("was replaced while it was opened: try again")

// checkDB refuses a database that is truncated, damaged or not a store.
func checkDB(db *bolt.DB, file *os.File, to purpose) error {
	return guarded(func() error {
		return db.View(func(tx *bolt.Tx) error {
			if info, err := file.Stat(); err != nil {
				return err
			} else if info.Size() < tx.Size() {
				return fmt.Errorf("%w: %d of its %d bytes are missing; %s", ErrDamaged, tx.Size()-info.Size(), tx.Size(), adviceDamaged)
			}
			if to != writing {
				if err := checkStructure(tx, file, to == beforeWriting); err != nil {
					return err
				}
			}
			return checkSchema(tx)
		})
	})
}

// explainOpen turns an error of bbolt about a file into one that says what to do.
func explainOpen(err error, info fs.FileInfo) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return inUse(info)
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
		return fmt.Errorf("its file system does not lock files (%w): keep the key store on a disk of this machine or a block device, not on a network file system", err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch),
		info.Size() < minSize():
		return errNotAStore
	case errors.Is(err, bolterrors.ErrChecksum):
		return fmt.Errorf("%w: %w; %s", ErrDamaged, err, adviceDamaged)
	default:
		return adviseAccess(err)
	}
}

func adviseAccess(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run as the user who owns the file and its folder", err)
	}
	return err
}

func inUse(info fs.FileInfo) error {
	by := ""
	if holder := lockHolder(info); holder != "" {
		by = " by " + holder
	}
	return fmt.Errorf("%w%s: use the admin API of the Caddy that serves it (leave out --db), or stop it first", ErrInUse, by)
}

// CheckPath refuses a path that [OpenBolt] is sure to refuse: a symbolic link, a
// folder, an empty file, a file that others can write to or one that is no store.
// It takes no lock and creates nothing, so a config can be checked beside the
// process that serves. It accepts what this user may not read.
func CheckPath(path string) error {
	_, err := checkFile(path)
	if err == nil {
		err = checkMagic(path)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return pathError(path, err)
}

// checkMagic looks for bbolt's magic number in the two meta pages. One of them is
// enough.
func checkMagic(path string) error {
	const (
		magic  = 0xED0CDAED
		offset = 16 // after the page header
	)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for page := range int64(2) {
		var word [4]byte
		_, err := f.ReadAt(word[:], page*int64(os.Getpagesize())+offset)
		if err == nil && binary.NativeEndian.Uint32(word[:]) == magic {
			return nil
		}
	}
	return errNotAStore
}
