package keystore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file system that does not lock files is told as such.
func TestNoLocksAdvice(t *testing.T) {
	info, err := os.Stat(writeStore(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, errno := range []syscall.Errno{syscall.ENOLCK, syscall.EOPNOTSUPP, syscall.ENOTSUP, syscall.ENOSYS} {
		if err := explainOpen(errno, info); !errors.Is(err, errno) || !strings.Contains(err.Error(), "does not lock files") || !strings.Contains(err.Error(), "on a disk of this machine") {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := explainOpen(syscall.EIO, info); strings.Contains(err.Error(), "lock") {
		t.Error(err)
	}
}

func TestOpenExisting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data", "keygate.db")
	if _, err := OpenExistingBolt(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want that there is none", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v was made, %v", left, err)
	}
	for _, made := range []bool{true, false} {
		b := openTest(t, path)
		if about := b.About(); about.Made != made || about.Place != path || about.Kind != "bbolt" || about.Schema != schemaVersion || about.Warnings != nil {
			t.Errorf("it is %+v, want made %t", about, made)
		}
		b.Close()
	}
	b, err := OpenExistingBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	t.Chdir(dir)
	if b, err := ReadBolt(filepath.Join("data", "..", "data", "keygate.db")); err == nil {
		t.Errorf("two have it open: %v", b.Close())
	}
	if got := newBolt(filepath.Join("data", "keygate.db")).About().Place; got != path {
		t.Errorf("a relative path is told as %s, want %s", got, path)
	}
}
