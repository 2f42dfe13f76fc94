package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Compaction is the result of [CompactFile]: sizes of the file in bytes.
type Compaction struct {
	Keys          int
	Before, After int64
	UpgradedFrom  int // see [About]
}

// compactStep is the maximum size, in bytes, of one transaction of the copy.
const compactStep = 16 << 20

// CompactFile rewrites a store without unused space, which bbolt never returns by
// itself, and replaces the old file. It holds the file meanwhile. It refuses a
// file that another process holds, with [ErrInUse], and one in which a record
// does not verify. After a crash at any moment, the path has the old store or the
// new one, complete.
func CompactFile(path string) (Compaction, error) {
	b, err := OpenBolt(path)
	if err != nil {
		return Compaction{}, err
	}
	defer b.Close()
	result, err := b.compactTo(path)
	if err != nil {
		return Compaction{}, pathError(path, err)
	}
	result.UpgradedFrom = b.about.UpgradedFrom
	return result, nil
}

func (b *Bolt) compactTo(path string) (result Compaction, err error) {
	if len(b.dropped) > 0 {
		return result, fmt.Errorf("%w; it is dropped now, and the next compaction is made", b.dropped[0])
	}
	var first error
	result.Keys, err = b.Check(func(_ string, problem error) {
		if first == nil {
			first = problem
		}
	})
	switch {
	case err != nil:
		return result, err
	case first != nil:
		return result, fmt.Errorf("%w; caddy keygate check lists all that is damaged", first)
	}
	old, err := os.Lstat(path)
	if err != nil {
		return result, err
	}
	result.Before = old.Size()
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, "."+filepath.Base(path)+".compact-*") // mode 0600
	if err != nil {
		return result, err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return result, err
	}
	if err := b.copyCompact(temp.Name()); err != nil {
		return result, err
	}
	if keys, err := verifyFile(temp.Name()); err != nil {
		return result, fmt.Errorf("the compacted copy does not verify: %w", err)
	} else if keys != result.Keys {
		return result, fmt.Errorf("the compacted copy has %d keys of %d", keys, result.Keys)
	}
	compacted, err := os.Lstat(temp.Name())
	if err != nil {
		return result, err
	}
	result.After = compacted.Size()
	if err := KeepOwner(temp.Name(), old); err != nil {
		return result, err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return result, err
	}
	return result, syncFolder(folder)
}

// copyCompact copies every record to an empty file and syncs it to disk.
func (b *Bolt) copyCompact(path string) error {
	dst, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, NoSync: true})
	if err != nil {
		return err
	}
	dst.AllocSize = growStep
	err = guarded(func() error { return bolt.Compact(dst, b.db, compactStep) })
	if err == nil {
		err = dst.Sync()
	}
	return errors.Join(err, dst.Close())
}
