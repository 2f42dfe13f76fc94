package keystore

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/apikey"
)

// TestCrashesOfTheStart crashes while a store is opened that has to be upgraded, or
// that a kill has left with a journal: whoever opens it next finds all that was there.
func TestCrashesOfTheStart(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) (path string, want map[string]map[string]string){
		"upgrade from schema 5": func(t *testing.T) (string, map[string]map[string]string) {
			path := writeStore(t, 3)
			want := contentAt(t, path)
			editFile(t, path, func(tx *bolt.Tx) error {
				return errors.Join(tx.DeleteBucket(bucketJournal), tx.DeleteBucket(bucketSettled),
					tx.Bucket(bucketMeta).Put(metaSchema, binary.BigEndian.AppendUint32(nil, 5)))
			})
			editFile(t, path, func(tx *bolt.Tx) error { // in the pages that are free, or the upgrade would write what is there
				return tx.Bucket(bucketMeta).Put(metaBrand, []byte("acme"))
			})
			want[string(bucketMeta)][string(metaBrand)] = "acme"
			return path, want
		},
		"fold": func(t *testing.T) (string, map[string]map[string]string) {
			b := unfoldedStore(t, 40)
			for n := range 3 {
				if err := b.SaveUsage(useAll(40-n, 20000, uint64(n+1)), []apikey.WorkspaceUsage{{Workspace: "acme", Day: 20000, Charged: uint64(n)}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Delete(numberedID(7), testActor, nil); err != nil {
				t.Fatal(err)
			}
			b.foldSlice = 30
			if more, _, err := b.foldStep(); err != nil || !more { // amid a fold
				t.Fatal(more, err)
			}
			path := filepath.Join(t.TempDir(), "killed.db")
			if err := os.WriteFile(path, contents(t, b.db.Path()), 0o600); err != nil {
				t.Fatal(err)
			}
			return path, contentOf(t, b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, want := prepare(t)
			run := &crashRun{r: rand.New(rand.NewPCG(1, 6)), base: contents(t, path), states: []map[string]map[string]string{want}}
			withDisk(t, func(call diskCall) unix.Errno {
				if call.file == path {
					run.events = append(run.events, crashEvent{diskCall: call})
				}
				return 0
			}, func() {
				b, err := OpenBolt(path)
				if err != nil {
					t.Error(err)
					return
				}
				if got := contentOf(t, b); !reflect.DeepEqual(got, want) {
					t.Errorf("opening changes it: %.500s", differences(want, got))
				}
				b.Close()
			})
			images, problem := run.explore(t)
			if problem != "" {
				t.Fatal(problem)
			}
			if images < 10 {
				t.Errorf("only %d different crashes", images)
			}
		})
	}
}

// TestFoldOnABadDisk has the disk refuse each write of a fold in turn. What was saved
// is there all the same, the store can be opened, and the next fold makes up for it.
func TestFoldOnABadDisk(t *testing.T) {
	t.Parallel()
	b := unfoldedStore(t, 20)
	b.db.NoSync = false
	if err := b.SaveUsage(useAll(20, 20000, 5), nil); err != nil {
		t.Fatal(err)
	}
	want, journal := contentOf(t, b), contents(t, b.db.Path())
	b.foldSlice = 15
	for at := 1; ; at++ {
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path, journal, 0o600); err != nil {
			t.Fatal(err)
		}
		writes := 0
		var opened *Bolt
		withDisk(t, func(call diskCall) unix.Errno {
			if call.file != path || call.op != "write" {
				return 0
			}
			if writes++; writes == at {
				return unix.ENOSPC
			}
			return 0
		}, func() {
			var err error
			if opened, err = OpenBolt(path); err != nil {
				t.Error(err)
			}
		})
		if opened == nil {
			t.Fatal("it is not opened")
		}
		if got := contentOf(t, opened); !reflect.DeepEqual(got, want) {
			t.Fatalf("write %d refused: %.500s", at, differences(want, got))
		}
		charged := 0
		if err := opened.UsageSince(20000, func(u apikey.Usage) { charged += int(u.Charged) }, nil); err != nil || charged != 20*5 {
			t.Errorf("write %d refused: %d charged, %v", at, charged, err)
		}
		refused := opened.Writable() != nil
		foldNow(t, opened)
		if got := contentOf(t, opened); !reflect.DeepEqual(got, want) || journaled(t, opened) > 0 {
			t.Fatalf("write %d refused, and folded again: %.500s", at, differences(want, got))
		}
		opened.Close()
		if !refused {
			if at < 4 {
				t.Errorf("only %d writes", at)
			}
			return
		}
	}
}
