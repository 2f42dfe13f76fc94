package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Compaction is what [CompactFile] did, in bytes of the file.
type Compaction struct {
	Keys          int
	Before, After int64
}

// compactStep is how many bytes one transaction of the copy holds at most.
const compactStep = 16 << 20

// CompactFile writes a store anew without the space that nothing uses any more,
// which bbolt keeps for itself, and puts it in the place of the old file. It
// owns the file meanwhile, and refuses one that somebody else holds, with
// [ErrInUse], or in which a record does not verify. A crash at any moment
// leaves the old store or the new one under the name, whole.
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
	return result, nil
}

func (b *Bolt) compactTo(path string) (result Compaction, err error) {
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

// copyCompact copies every record to an empty file, and puts it on disk.
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
