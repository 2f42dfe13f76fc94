//go:build unix

package keystore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// KeepOwner gives the file at path the owner of the file that it is to replace,
// so that what root restores or compacts stays readable for the Caddy that serves
// it. If this user may not change owners, the file stays as it is: then either
// this user is the owner already, or the old file could not be read.
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
