package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestIsFailure(t *testing.T) {
	for _, err := range []error{ErrClosed, ErrDamaged, ErrNewer, ErrInUse, ErrNotWritten, ErrUnknownOutcome, ErrReadOnly, ErrUnavailable, Unavailable(fs.ErrClosed)} {
		for _, wrapped := range []error{err, fmt.Errorf("key X: %w", err), errors.Join(errors.New("a"), err)} {
			if !IsFailure(wrapped) {
				t.Errorf("%v is no failure", wrapped)
			}
		}
	}
	for _, err := range []error{nil, ErrNotFound, ErrExists, &ExistsError{}, &apikey.FieldError{Field: "name"}, errors.New("unforeseen"), fs.ErrNotExist} {
		if IsFailure(err) {
			t.Errorf("%v is a failure", err)
		}
	}
}

// What is marked keeps its words and what it wraps.
func TestUnavailable(t *testing.T) {
	if Unavailable(nil) != nil {
		t.Error("nothing becomes an error")
	}
	err := Unavailable(&fs.PathError{Op: "read", Path: "keys.db", Err: syscall.EIO})
	if err.Error() != "read keys.db: input/output error" || !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
}

// A file that goes away under an open store is a failure of the store, in every
// method that reads it.
func TestLostFileIsAFailure(t *testing.T) {
	store, err := OpenBolt(filepath.Join(t.TempDir(), "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.db.Close(); err != nil { // behind the store's back
		t.Fatal(err)
	}
	k := apikey.Key{ID: apikey.NewID(), Hash: apikey.Hash{1}}
	for name, call := range map[string]func() error{
		"get":    func() error { _, err := store.Get(k.ID); return err },
		"list":   func() error { _, err := store.List(Query{}); return err },
		"audit":  func() error { _, err := store.Audit(AuditQuery{}); return err },
		"create": func() error { return store.Create(k, Actor{}) },
		"backup": func() error { return store.Backup(new(strings.Builder)) },
		"delete": func() error { return store.Delete(k.ID, Actor{}, nil) },
	} {
		if err := call(); !IsFailure(err) {
			t.Errorf("%s: %v is no failure of the store", name, err)
		}
	}
}
