package keystore_test

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

func TestBolt(t *testing.T) {
	var paths sync.Map // of open stores
	openAny := func(t *testing.T, path string) *keystore.Bolt {
		s, err := keystore.OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		paths.Store(s, path)
		return s
	}
	open := func(t *testing.T, path string) keystore.Store {
		s := openAny(t, path)
		if damaged := s.Damaged(); len(damaged) != 0 {
			t.Fatal(damaged)
		}
		return s
	}
	storetest.Run(t, storetest.Factory{
		New: func(t *testing.T) keystore.Store {
			return open(t, filepath.Join(t.TempDir(), "keygate.db"))
		},
		Reopen: func(t *testing.T, s keystore.Store) keystore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path, _ := paths.Load(s)
			return open(t, path.(string))
		},
		Restore: func(t *testing.T, backup io.Reader) keystore.Store {
			path := filepath.Join(t.TempDir(), "restored.db")
			content, err := io.ReadAll(backup)
			if err == nil {
				err = os.WriteFile(path, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			return open(t, path)
		},
		Tamper: func(t *testing.T, s keystore.Store, what storetest.Tampering) keystore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path, _ := paths.Load(s)
			if err := keystore.Tamper(path.(string), what.Damaged, what.Keys, what.Audit); err != nil {
				t.Fatal(err)
			}
			return openAny(t, path.(string))
		},
	})
}
