package keystore

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

func TestCompactFile(t *testing.T) {
	t.Parallel()
	const all, left = 800, 50
	path := filepath.Join(t.TempDir(), "keygate.db")
	b := openTest(t, path)
	var keys []apikey.Key
	for i := range all {
		k := testKey(t)
		k.ID, k.Hash[0] = numberedID(i), byte(i)
		keys = append(keys, k)
	}
	if err := b.CreateAll(keys, testActor, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.SaveUsage([]apikey.Usage{{ID: numberedID(1), Day: 1, Charged: 2}}, []apikey.WorkspaceUsage{{Workspace: "acme", Day: 1, Charged: 2}}); err != nil {
		t.Fatal(err)
	}
	b.db.NoSync = true // no test of crashes
	for _, k := range keys[left:] {
		if err := b.Delete(k.ID, testActor, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Prune(0, testActor.At.Add(1)); err != nil { // the audit trail, too
		t.Fatal(err)
	}
	if _, err := CompactFile(path); !errors.Is(err, ErrInUse) {
		t.Errorf("compact a store in use: %v", err)
	}
	before := contentOf(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	result, err := CompactFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if result.Keys != left || result.After != info.Size() || result.After*2 > result.Before || info.Mode().Perm() != 0o600 {
		t.Errorf("%+v, of mode %v and %d bytes; want %d keys in less than half", result, info.Mode(), info.Size(), left)
	}
	b = openTest(t, path)
	if after := contentOf(t, b); !reflect.DeepEqual(before, after) {
		t.Error("compacting has changed what is stored")
	}
	if err := b.Create(keys[left], testActor); err != nil {
		t.Fatal(err)
	}
	page, err := b.Audit(AuditQuery{})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Seq != 2*all-left+1 {
		t.Errorf("the next change is %+v, %v; want number %d", page.Entries, err, 2*all-left+1)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("%v are left", names)
	}
}

// contentOf returns every record of every bucket as they are once the journal is
// folded: what counts of a store.
func contentOf(t *testing.T, b *Bolt) map[string]map[string]string {
	t.Helper()
	content := make(map[string]map[string]string)
	err := b.view(func(tx *bolt.Tx) error {
		err := tx.ForEach(func(bucket []byte, records *bolt.Bucket) error {
			found := make(map[string]string)
			content[string(bucket)] = found
			return records.ForEach(func(name, value []byte) error {
				found[string(name)] = string(value)
				return nil
			})
		})
		folded := b.unwritten(tx)
		j := readJournal(tx, "ksw", everything)
		err = errors.Join(err, j.fold(folded, new(folding), math.MaxInt))
		for place, value := range folded.over {
			bucket, name, _ := strings.Cut(place, "\x00")
			content[bucket][name] = string(value)
		}
		delete(content, string(bucketJournal))
		delete(content, string(bucketSettled))
		return errors.Join(append(problemsOf(j.damaged), err)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestCompactRefusesDamage(t *testing.T) {
	path := writeStore(t, 3)
	id := numberedID(1)
	editFile(t, path, func(tx *bolt.Tx) error { return tx.Bucket(bucketKeys).Put(id[:], []byte("damage")) })
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CompactFile(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), id.String()) || !strings.Contains(err.Error(), "caddy keygate check") {
		t.Errorf("compact a damaged store: %v", err)
	}
	if after, _ := os.ReadFile(path); string(before) != string(after) {
		t.Error("the file has changed")
	}
}

// TestReplacedWhileOpened is of who waited for the lock of a file that a
// compaction has replaced since.
func TestReplacedWhileOpened(t *testing.T) {
	path := writeStore(t, 1)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPlace(path, info); err != nil {
		t.Error(err)
	}
	if _, err := CompactFile(path); err != nil {
		t.Fatal(err)
	}
	if err := checkPlace(path, info); !errors.Is(err, errReplaced) {
		t.Errorf("another file is there: %v; want errReplaced", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := checkPlace(path, info); !errors.Is(err, errReplaced) {
		t.Errorf("no file is there: %v; want errReplaced", err)
	}
}
