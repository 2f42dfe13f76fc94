package keystore

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// writeMany makes a store of n keys in n/10 workspaces, without an audit trail.
func writeMany(b *testing.B, n int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "keygate.db")
	s, err := OpenBolt(path)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	s.db.NoSync = true
	const batch = 50_000
	for first := 0; first < n; first += batch {
		err := s.commit(func(tx *bolt.Tx) error {
			k := testKey(b)
			for i := first; i < min(first+batch, n); i++ {
				k.ID = numberedID(i)
				k.Workspace = fmt.Sprintf("workspace%d", i/10)
				if err := tx.Bucket(bucketKeys).Put(k.ID[:], encodeKey(&k)); err != nil {
					return err
				}
				if err := tx.Bucket(bucketWorkspaces).Put(workspaceKey(k.Workspace, k.ID), nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return path
}

// most returns how many keys to measure with. With -short they are fewer: filling a
// store takes longer than what is measured.
func most(keys int) int {
	if testing.Short() {
		return min(keys, 10_000)
	}
	return keys
}

func BenchmarkOpen(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			keys := most(keys)
			path := writeMany(b, keys)
			for b.Loop() {
				s, err := OpenBolt(path)
				if err != nil {
					b.Fatal(err)
				}
				if n := s.index.Len(); n != keys {
					b.Fatalf("%d keys", n)
				}
				b.StopTimer()
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
				s.Close()
				b.StartTimer()
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	s, err := OpenBolt(writeMany(b, 100_000))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for name, q := range map[string]Query{
		"first page":     {},
		"last page":      {After: apikey.ID([]byte("zzzz00000000"))},
		"workspace":      {Workspace: "workspace5000"},
		"none of status": {Status: apikey.Revoked},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.List(q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	s, err := OpenBolt(writeMany(b, 10_000))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := uint32(100)
	for b.Loop() {
		n++
		_, err := s.Update(numberedID(1), "update", testActor, func(k *apikey.Key) error { k.Limits.PerDay = n; return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
