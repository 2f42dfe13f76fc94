//go:build !linux

package keystore

import "io/fs"

// lockHolder cannot tell who holds the lock here.
func lockHolder(fs.FileInfo) string { return "" }
