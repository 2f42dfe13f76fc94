package keystore

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

// CheckPath refuses a path that [OpenBolt] is sure to refuse for what is there:
// a symbolic link, a folder, an empty file, a file that others can write or
// that is of another kind. It locks and makes nothing, so that a config can be
// checked beside the process that serves. What this user may not look at passes.
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

// checkMagic looks for bbolt's magic number in the two pages that have it, of
// which one is enough.
func checkMagic(path string) error {
	const (
		magic  = 0xED0CDAED
		offset = 16 // after the header of a page
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
