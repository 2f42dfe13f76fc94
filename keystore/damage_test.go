package keystore

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// TestDamagedRecords spoils records of all kinds, and checks that their keys
// are refused and named and that the others work.
func TestDamagedRecords(t *testing.T) {
	path := writeStore(t, 10)
	flipped, short, newer, whole := numberedID(0), numberedID(1), numberedID(2), numberedID(3)
	swapped := []apikey.ID{numberedID(4), numberedID(5)}
	unusable := numberedID(6)
	editFile(t, path, func(tx *bolt.Tx) error {
		keys := tx.Bucket(bucketKeys)
		change := func(id apikey.ID, change func(value []byte) []byte) {
			value := append([]byte(nil), keys.Get(id[:])...)
			if err := keys.Put(id[:], change(value)); err != nil {
				t.Fatal(err)
			}
		}
		change(flipped, func(v []byte) []byte { v[len(v)-1] ^= 1; return v })
		change(short, func(v []byte) []byte { return v[:3] })
		change(newer, func(v []byte) []byte { return seal(bucketKeys, newer[:], appendVarint(v, 99, 1)) })
		a, b := keys.Get(swapped[0][:]), keys.Get(swapped[1][:])
		a, b = append([]byte(nil), a...), append([]byte(nil), b...)
		change(swapped[0], func([]byte) []byte { return b })
		change(swapped[1], func([]byte) []byte { return a })
		change(unusable, func(v []byte) []byte {
			k, err := decodeKey(unusable, v)
			if err != nil {
				t.Fatal(err)
			}
			k.AllowedIPs = []string{"localhost"}
			return encodeKey(&k)
		})
		return keys.Put([]byte("odd"), []byte("value"))
	})
	b := openTest(t, path)
	denied := append([]apikey.ID{flipped, short, newer, unusable}, swapped...)
	for _, id := range denied {
		if _, ok, err := b.Lookup(id); ok || err != nil {
			t.Errorf("lookup of damaged %s: %t, %v", id, ok, err)
		}
		reported := 0
		for _, err := range b.Damaged() {
			if strings.Contains(err.Error(), id.String()) && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer)) {
				reported++
			}
		}
		if reported != 1 {
			t.Errorf("%s is reported %d times", id, reported)
		}
	}
	if n := len(b.Damaged()); n != len(denied)+1 {
		t.Errorf("%d damaged records; want %d", n, len(denied)+1)
	}
	for id, want := range map[apikey.ID]error{flipped: ErrDamaged, short: ErrDamaged, swapped[0]: ErrDamaged, newer: ErrNewer} {
		if _, err := b.Get(id); !errors.Is(err, want) || !strings.Contains(err.Error(), id.String()) {
			t.Errorf("get of damaged %s: %v; want %v", id, err, want)
		}
		_, err := b.Update(id, "enable", testActor, func(k *apikey.Key) error { k.Name = "guessed"; return nil })
		if !errors.Is(err, want) {
			t.Errorf("update of damaged %s: %v; want %v", id, err, want)
		}
	}

	if _, ok, err := b.Lookup(whole); !ok || err != nil {
		t.Errorf("lookup of a whole key: %t, %v", ok, err)
	}
	page, err := b.List(Query{})
	if err != nil || len(page.Keys) != 5 { // of ten, five do not verify, and one that does is unusable
		t.Errorf("list: %d keys, %v", len(page.Keys), err)
	}
	if err := b.Create(testKey(t), testActor); !errors.Is(err, ErrExists) {
		t.Errorf("create over another: %v", err)
	}

	// Deleting is how a damaged key is got rid of.
	if err := b.Delete(flipped, testActor, nil); err != nil {
		t.Fatal(err)
	}
	k := testKey(t)
	k.ID = flipped
	if err := b.Create(k, testActor); err != nil {
		t.Fatal(err)
	}
	page, err = b.List(Query{Workspace: "acme", Limit: 1})
	if err != nil || len(page.Keys) != 1 || page.Keys[0].ID != flipped {
		t.Errorf("the workspace begins with %v, %v; want %s", page.Keys, err, flipped)
	}
}

func TestDamagedUsage(t *testing.T) {
	path := writeStore(t, 3)
	ids := []apikey.ID{numberedID(0), numberedID(1)}
	b := openTest(t, path)
	usage := []apikey.Usage{{ID: ids[0], Day: 20000, Charged: 7, LastUsed: 60}, {ID: ids[1], Day: 20000, Charged: 8, LastUsed: 60}}
	if err := b.SaveUsage(usage, nil); err != nil {
		t.Fatal(err)
	}
	b.Close()
	editFile(t, path, func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketUsage).Put(usageKey(20000, ids[0]), []byte("damage")); err != nil {
			return err
		}
		if err := tx.Bucket(bucketUsage).Put(append(usageKey(20000, ids[0]), 'x'), []byte("damage")); err != nil {
			return err
		}
		return tx.Bucket(bucketLastUsed).Put(ids[0][:], []byte("damage"))
	})
	b = openTest(t, path)
	var got []apikey.Usage
	err := b.UsageSince(20000, func(u apikey.Usage) { got = append(got, u) }, func(apikey.WorkspaceUsage) {})
	want := []apikey.Usage{{ID: ids[0], Day: 20000, Charged: exhausted}, usage[1]}
	if !errors.Is(err, ErrDamaged) || !slices.Equal(got, want) {
		t.Errorf("usage since the day: %+v, %v; want %+v and ErrDamaged", got, err, want)
	}
	if _, err := b.Usage(ids[0], 0, 30000); !errors.Is(err, ErrDamaged) {
		t.Errorf("usage of the damaged: %v", err)
	}
	if _, err := b.LastUsed(ids[0]); !errors.Is(err, ErrDamaged) {
		t.Errorf("last use of the damaged: %v", err)
	}
	if page, err := b.List(Query{}); err != nil || !page.LastUsed[0].IsZero() || page.LastUsed[1].Unix() != 60 {
		t.Errorf("last use in the list: %v, %v; want never and 60 s", page.LastUsed, err)
	}
	if got, err := b.Usage(ids[1], 0, 30000); err != nil || len(got) != 1 {
		t.Errorf("usage of the other: %+v, %v", got, err)
	}
	if err := b.SaveUsage(usage, nil); err != nil { // puts it right
		t.Fatal(err)
	}
	if got, err := b.Usage(ids[0], 0, 30000); err != nil || len(got) != 1 || got[0] != usage[0] {
		t.Errorf("usage saved anew: %+v, %v", got, err)
	}
	if at, err := b.LastUsed(ids[0]); err != nil || at.Unix() != 60 {
		t.Errorf("last use saved anew: %v, %v", at, err)
	}
	if err := b.Delete(ids[0], testActor, nil); err != nil {
		t.Error(err)
	}
}

func TestDamagedAudit(t *testing.T) {
	path := writeStore(t, 3)
	editFile(t, path, func(tx *bolt.Tx) error {
		return tx.Bucket(bucketAudit).Put([]byte{0, 0, 0, 0, 0, 0, 0, 2}, []byte("damage"))
	})
	b := openTest(t, path)
	for _, q := range []AuditQuery{{}, {Key: numberedID(0)}} {
		page, err := b.Audit(q)
		if err != nil {
			t.Fatal(err)
		}
		var damaged []AuditEntry
		for _, e := range page.Entries {
			if e.Action != "create" {
				damaged = append(damaged, e)
			}
		}
		if len(damaged) != 1 || damaged[0].Seq != 2 || damaged[0].Action != actionDamaged || damaged[0].Key != q.Key {
			t.Errorf("%+v: %+v; want one damaged entry with sequence 2", q, damaged)
		}
	}
}

// TestTruncatedWhileServing cuts the file under a store in use, which kills a
// process that reads through a memory map without care.
func TestTruncatedWhileServing(t *testing.T) {
	path := writeStore(t, 60)
	b := openTest(t, path)
	if err := os.Truncate(path, 2*int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	id := numberedID(0)
	if _, ok, err := b.Lookup(id); !ok || err != nil {
		t.Errorf("lookup: %t, %v", ok, err)
	}
	for name, call := range map[string]func() error{
		"get":    func() error { _, err := b.Get(id); return err },
		"list":   func() error { _, err := b.List(Query{}); return err },
		"audit":  func() error { _, err := b.Audit(AuditQuery{}); return err },
		"usage":  func() error { return b.UsageSince(1, func(apikey.Usage) {}, nil) },
		"create": func() error { k := testKey(t); k.ID = numberedID(999); return b.Create(k, testActor) },
		"delete": func() error { return b.Delete(id, testActor, nil) },
	} {
		if err := call(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v; want ErrDamaged", name, err)
		}
	}
	b.Close() // must return
}

// TestStuck destroys what every transaction begins with, under a store in use:
// bbolt then keeps its locks, for which nobody may wait.
func TestStuck(t *testing.T) {
	path := writeStore(t, 3)
	b := openTest(t, path)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 2*os.Getpagesize()), 0); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	id := numberedID(0)
	for range 2 {
		if _, err := b.Get(id); !errors.Is(err, ErrDamaged) {
			t.Errorf("get: %v; want ErrDamaged", err)
		}
		if err := b.Delete(id, testActor, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("delete: %v; want ErrDamaged", err)
		}
		if _, ok, err := b.Lookup(id); !ok || err != nil {
			t.Errorf("lookup: %t, %v", ok, err)
		}
	}
	if err := b.Close(); !errors.Is(err, ErrDamaged) {
		t.Errorf("close: %v; want ErrDamaged", err)
	}
}

// TestDeleteUnlisted deletes a key of which neither record nor index tells the
// workspace: it is that of the entry before.
func TestDeleteUnlisted(t *testing.T) {
	b := openThree(t)
	id := numberedID(1)
	spoil(t, b, bucketKeys, id[:], []byte("rubbish"))
	spoil(t, b, bucketWorkspaces, workspaceKey("acme", id), nil)
	if err := b.Delete(id, testActor, nil); err != nil {
		t.Fatal(err)
	}
	page, err := b.Audit(AuditQuery{Workspace: "acme", Limit: 1})
	if err != nil || page.Entries[0].Action != "delete" || page.Entries[0].Key != id || page.Entries[0].Seq != 4 {
		t.Errorf("the trail ends with %+v, %v", page.Entries, err)
	}
}

// TestRollbackFails has bbolt panic when a change is rolled back, as it does where
// what is damaged came between: it keeps its locks, for which nobody may wait.
func TestRollbackFails(t *testing.T) {
	b := openTest(t, writeStore(t, 3))
	err := b.commit(func(tx *bolt.Tx) error {
		managed := reflect.ValueOf(tx).Elem().FieldByName("managed") // bbolt refuses to roll such back
		*(*bool)(managed.Addr().UnsafePointer()) = true
		return errors.New("refused")
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("the change: %v; want ErrDamaged", err)
	}
	mustEnd(t, "a change after it, or close,", func() {
		if err := b.Delete(numberedID(0), testActor, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("delete: %v; want ErrDamaged", err)
		}
		if err := b.Writable(); !errors.Is(err, ErrDamaged) {
			t.Errorf("writable: %v; want ErrDamaged", err)
		}
		if _, ok, err := b.Lookup(numberedID(0)); !ok || err != nil {
			t.Errorf("look-up: %t, %v", ok, err)
		}
		if err := b.Close(); !errors.Is(err, ErrDamaged) {
			t.Errorf("close: %v; want ErrDamaged", err)
		}
	})
}
