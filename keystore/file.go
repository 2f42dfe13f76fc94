package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// What to do about a file that is damaged, and about one that can still be read.
const (
	adviceDamaged      = "restore it from a backup"
	adviceUnchangeable = "restore it from a backup, or import into a new store what caddy keygate export --db reads of it"
)

var errNotAStore = errors.New("is not a Keygate store, or only the start of one: " +
	"give the path of a store, or of a file that does not exist yet")

// pathError says which file an error is about. An error of the system that begins
// with the same path loses it, so that the path is not repeated.
func pathError(path string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok && of.Path == path {
		return &fileError{path, strings.Replace(err.Error(), of.Op+" "+path+": ", "", 1), err}
	}
	return fmt.Errorf("key store %s: %w", path, err)
}

type fileError struct {
	path, text string
	err        error
}

func (e *fileError) Error() string { return "key store " + e.path + ": " + e.text }
func (e *fileError) Unwrap() error { return e.err }

// checkFile refuses what must not be opened as a store. Its errors are meant to
// follow the path. They say what to do.
func checkFile(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("is a symbolic link: give the path of the file itself")
	case info.IsDir():
		return nil, errors.New("is a folder: give the path of a file in it")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file: give the path of a store, or of a file that does not exist yet")
	// Windows has no such modes and reports every file as writable by all.
	case info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("can be written by others (mode %04o): make sure that nobody changed it, then take the permission away with chmod 600",
			info.Mode().Perm())
	case info.Size() == 0:
		return nil, errors.New("is empty: " + adviceDamaged + ", or remove the file to start with a new store and no keys")
	}
	return info, nil
}

// createMissing makes an empty store at path if nothing is there, and reports
// whether it did. A crash leaves either nothing or a complete store.
func createMissing(path string) (made bool, err error) {
	if _, err := os.Lstat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	folder := filepath.Dir(path)
	if err := makeFolder(folder); err != nil {
		return false, err
	}
	temp, err := os.CreateTemp(folder, "."+filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return false, err
	}
	if err := writeEmpty(temp.Name()); err != nil {
		return false, err
	}
	return publish(temp.Name(), path)
}

// publish gives a complete store its name, and reports whether it did. Unlike a
// rename, a link does not replace a store that another process has made, and
// perhaps written to, in the meantime.
func publish(temp, path string) (published bool, err error) {
	switch err := os.Link(temp, path); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil: // the file system has no links
		if err := os.Rename(temp, path); err != nil {
			return false, err
		}
	}
	return true, syncFolder(filepath.Dir(path))
}

// writeEmpty turns an empty file into an empty store. It is on disk when
// writeEmpty returns.
func writeEmpty(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout})
	if err != nil {
		return err
	}
	if err := db.Update(writeSchema); err != nil {
		db.Close()
		return err
	}
	return db.Close()
}

// makeFolder makes a folder and its missing parents with mode 0700, and syncs
// them to disk. Existing folders stay as they are.
func makeFolder(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder syncs the names in a folder to disk.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows cannot sync folders
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
