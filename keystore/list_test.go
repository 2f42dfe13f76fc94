package keystore

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// Of a key whose last use cannot be read it is only known that there was one. So
// it is never taken for forgotten.
func TestListDamagedUse(t *testing.T) {
	path := writeStore(t, 3)
	editFile(t, path, func(tx *bolt.Tx) error {
		id, used := numberedID(0), mustID(t, testID)
		if err := tx.Bucket(bucketLastUsed).Put(id[:], []byte("rubbish")); err != nil {
			return err
		}
		return tx.Bucket(bucketLastUsed).Put(used[:], encodeLastUsed(used, 1))
	})
	s := openTest(t, path)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		q    Query
		want []apikey.ID
	}{
		{Query{NeverUsed: true}, []apikey.ID{numberedID(1)}},
		{Query{Idle: time.Hour}, []apikey.ID{numberedID(1), mustID(t, testID)}},
		{Query{Sort: SortLastUsed}, []apikey.ID{numberedID(0), numberedID(1), mustID(t, testID)}},
		{Query{Sort: SortLastUsed, NeverUsed: true}, []apikey.ID{numberedID(1)}},
	} {
		tt.q.Now = now
		page, err := s.List(tt.q)
		var got []apikey.ID
		for i := range page.Keys {
			got = append(got, page.Keys[i].ID)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("list %+v: %v, %v; want %v", tt.q, got, err, tt.want)
		}
		if shown := slices.Contains(got, numberedID(0)); slices.Contains(page.Damaged, numberedID(0)) != shown || len(page.Damaged) > 1 {
			t.Errorf("list %+v: damaged %v", tt.q, page.Damaged)
		}
	}
}

// buildMany makes a store of many keys, none of them in the place in an order that
// it has in another.
func buildMany(t *testing.T) (path string, keys int) {
	t.Helper()
	keys = 20_000
	path = filepath.Join(t.TempDir(), "keygate.db")
	err := BuildFile(path, "patra", 0, func(f *Builder) error {
		k := testKey(t)
		for n := range keys {
			k.ID = numberedID(n)
			k.Name = fmt.Sprintf("Publishing bot %d of the team of the north", n*7919%keys)
			k.CreatedAt = time.Unix(int64(n*7919%keys), 0).UTC()
			if err := f.Key(&k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return path, keys
}

// A page in any order needs memory for the page, whatever the store has.
func TestListNeedsLittleMemory(t *testing.T) {
	path, keys := buildMany(t)
	s := openTest(t, path)
	for _, sort := range append(Sorts(), SortID) {
		for _, q := range []Query{{}, {Name: "nowhere"}, {Scope: "nothing:held"}, {NeverUsed: true}, {Idle: time.Hour}, {NoExpiry: true}} {
			q.Sort, q.Limit, q.Now = sort, 10, time.Unix(1e9, 0)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := s.List(q); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 10*uint64(keys) {
				t.Errorf("a page of %+v takes %d bytes", q, n)
			}
		}
	}
}
