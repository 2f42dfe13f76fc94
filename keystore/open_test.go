package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

var testActor = Actor{At: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Via: "offline"}

// openTest opens a store that is closed with the test.
func openTest(t *testing.T, path string) *Bolt {
	t.Helper()
	b, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// writeStore makes a store with some keys in it, closes it and returns its
// path. The first is testKey.
func writeStore(t *testing.T, keys int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keygate.db")
	b := openTest(t, path)
	k := testKey(t)
	for i := range keys {
		if err := b.Create(k, testActor); err != nil {
			t.Fatal(err)
		}
		k.ID = numberedID(i)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// editFile changes a closed store by bbolt alone.
func editFile(t *testing.T, path string, edit func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(edit); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// usedSize returns how many bytes of a closed store hold something. What
// follows is room to grow.
func usedSize(t *testing.T, path string) int64 {
	t.Helper()
	var size int64
	editFile(t, path, func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size
}

func TestOpenCreates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "keygate.db")
	b := openTest(t, path)
	for name, want := range map[string]fs.FileMode{"a": 0o700, "a/b": 0o700, "a/b/keygate.db": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o; want %04o", name, got, want)
		}
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Errorf("beside the store there is more: %v, %v", names, err)
	}
	if page, err := b.List(Query{}); err != nil || len(page.Keys) != 0 {
		t.Errorf("a new store has %d keys, %v", len(page.Keys), err)
	}
}

// TestOpenKeepsFolder: a folder that is there belongs to somebody else.
func TestOpenKeepsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	openTest(t, filepath.Join(dir, "keygate.db"))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder's mode is now %v, %v", info.Mode(), err)
	}
}

// TestCreateRace: of two that make a store at once, neither replaces what the
// other has made.
func TestCreateRace(t *testing.T) {
	path := writeStore(t, 1)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(filepath.Dir(path), "temp")
	if err := os.WriteFile(temp, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if made, err := publish(temp, path); err != nil || made {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the store was replaced, %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	write := func(content []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	move := func(change func(t *testing.T, store string)) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			store := writeStore(t, 60)
			change(t, store)
			if err := os.Rename(store, path); err != nil {
				t.Fatal(err)
			}
		}
	}
	page := int64(os.Getpagesize())
	truncate := func(left func(used int64) int64) func(*testing.T, string) {
		return move(func(t *testing.T, store string) {
			if err := os.Truncate(store, left(usedSize(t, store))); err != nil {
				t.Fatal(err)
			}
		})
	}
	chmod := func(mode fs.FileMode) func(*testing.T, string) {
		return move(func(t *testing.T, store string) {
			if err := os.Chmod(store, mode); err != nil {
				t.Fatal(err)
			}
		})
	}
	meta := func(name, value []byte) func(*testing.T, string) {
		return move(func(t *testing.T, store string) {
			editFile(t, store, func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(name, value) })
		})
	}
	for _, tt := range []struct {
		name string
		make func(*testing.T, string)
		want []string // parts of the message
		is   error
	}{
		{"empty", write(nil), []string{"is empty", "restore", "remove the file"}, nil},
		{"text", write([]byte("posts:write\n")), []string{"is not a Keygate store"}, nil},
		{"long text", write(bytes.Repeat([]byte("posts:write\n"), 10_000)), []string{"is not a Keygate store"}, nil},
		{"zeros", write(make([]byte, 64<<10)), []string{"is not a Keygate store"}, nil},
		{"another's bbolt file", func(t *testing.T, path string) {
			write(nil)(t, path)
			editFile(t, path, func(tx *bolt.Tx) error {
				_, err := tx.CreateBucket([]byte("etcd"))
				return err
			})
		}, []string{"is not a Keygate store"}, nil},
		{"other magic", meta(metaMagic, []byte("another")), []string{"is not a Keygate store"}, nil},
		{
			"newer schema", meta(metaSchema, binary.BigEndian.AppendUint32(nil, schemaVersion+1)),
			[]string{"written by a newer Keygate (schema 7, this one knows 6)", "restore a backup"},
			ErrNewer,
		},
		{"no schema", meta(metaSchema, nil), []string{"schema", "restore"}, ErrDamaged},
		{"bucket missing", move(func(t *testing.T, store string) {
			editFile(t, store, func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketUsage) })
		}), []string{"bucket usage is missing", "restore"}, ErrDamaged},
		{"without its last page", truncate(func(used int64) int64 { return used - page }), []string{"damaged", "restore"}, ErrDamaged},
		{"half of it", truncate(func(used int64) int64 { return used / 2 }), []string{"damaged", "restore"}, ErrDamaged},
		{"three pages of it", truncate(func(int64) int64 { return 3 * page }), []string{"damaged", "restore"}, ErrDamaged},
		{"a page and a half of it", truncate(func(int64) int64 { return page * 3 / 2 }), []string{"is not a Keygate store, or only the start of one"}, nil},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a folder"}, nil},
		{"a symbolic link", func(t *testing.T, path string) {
			if err := os.Symlink(writeStore(t, 1), path); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a symbolic link", "path of the file itself"}, nil},
		{"a link to nothing", func(t *testing.T, path string) {
			if err := os.Symlink(path+".gone", path); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a symbolic link"}, nil},
		{"writable by the group", chmod(0o620), []string{"written by others (mode 0620)", "chmod 600"}, nil},
		{"writable by all", chmod(0o602), []string{"written by others (mode 0602)", "chmod 600"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keygate.db")
			tt.make(t, path)
			before, _ := os.ReadFile(path)
			b, err := OpenBolt(path)
			if err == nil {
				b.Close()
				t.Fatal("opened")
			}
			for _, part := range append(tt.want, path) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%q is not %q", err, tt.is)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			// Nothing may still hold the lock.
			if info, err := os.Stat(path); err == nil && lockHolder(info) != "" {
				t.Errorf("%s still holds the lock", lockHolder(info))
			}
		})
	}
}

func TestOpenWithoutPath(t *testing.T) {
	if _, err := OpenBolt(""); err == nil {
		t.Error("opened")
	}
	path := filepath.Join(writeStore(t, 1), "keygate.db")
	if _, err := OpenBolt(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a store below a file: %v", err)
	}
}

// TestReload: what another process wrote between the two opens is seen.
func TestReload(t *testing.T) {
	b := openTest(t, writeStore(t, 3))
	full := b.index
	last, err := b.load()
	if err != nil || b.index.Len() != full.Len() {
		t.Fatalf("%d keys of %d, %v", b.index.Len(), full.Len(), err)
	}
	for seen, want := range map[int]int{last: 0, last - 1: full.Len()} {
		b.index = NewIndex()
		if err := b.reloadUnless(seen); err != nil || b.index.Len() != want {
			t.Errorf("last transaction %d, seen %d: %d keys, %v; want %d", last, seen, b.index.Len(), err, want)
		}
	}
}
