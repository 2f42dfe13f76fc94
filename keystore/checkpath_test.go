package keystore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckPath refuses what OpenBolt refuses for what is there, and changes
// nothing.
func TestCheckPath(t *testing.T) {
	whole := contents(t, writeStore(t, 1))
	page := os.Getpagesize()
	without := func(pages ...int) []byte {
		damaged := bytes.Clone(whole)
		for _, n := range pages {
			clear(damaged[n*page : (n+1)*page])
		}
		return damaged
	}
	for _, tt := range []struct {
		name    string
		content []byte
		mode    os.FileMode
		ok      bool
	}{
		{"a store", whole, 0o600, true},
		{"without its first page", without(0), 0o600, true},
		{"without its second page", without(1), 0o600, true},
		{"without both", without(0, 1), 0o600, false},
		{"empty", nil, 0o600, false},
		{"another kind", []byte(strings.Repeat("rubbish ", page)), 0o600, false},
		{"short", []byte("rubbish"), 0o600, false},
		{"others can write", whole, 0o666, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keygate.db")
			if err := errors.Join(os.WriteFile(path, tt.content, 0o600), os.Chmod(path, tt.mode)); err != nil {
				t.Fatal(err)
			}
			err := CheckPath(path)
			if (err == nil) != tt.ok {
				t.Errorf("%v; want that it passes: %t", err, tt.ok)
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%v does not name %s", err, path)
			}
			if !bytes.Equal(contents(t, path), tt.content) {
				t.Error("the file has changed")
			}
		})
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(writeStore(t, 1), link); err != nil {
		t.Fatal(err)
	}
	for path, ok := range map[string]bool{filepath.Join(dir, "missing"): true, filepath.Join(dir, "no", "folder"): true, dir: false, link: false} {
		if err := CheckPath(path); (err == nil) != ok {
			t.Errorf("%s: %v; want that it passes: %t", path, err, ok)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are in the folder; want the link", len(left))
	}
}
