//go:build !linux

package keystore

import (
	"errors"
	"io/fs"
)

// lockHolder returns "", because this system does not say who holds a lock.
func lockHolder(fs.FileInfo) string { return "" }

// lockHolderOf is [LockHolder] on this system.
func lockHolderOf(string) (pid int, held bool, err error) {
	return 0, false, errors.New("this system does not say who holds a lock")
}
