//go:build unix

package keystore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// KeepOwner gives a file the owner of another one, whose place it is to take:
// what root restores or compacts must stay readable for the Caddy that serves
// it. Where this user may not do so the file stays as it is, for then the owner
// is this user already, or the file could not be read.
func KeepOwner(path string, of fs.FileInfo) error {
	owner, ok := of.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
