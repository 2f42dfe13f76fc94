package keystore

import (
	"fmt"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// oneWorkspace returns a store with so many keys in one workspace.
func oneWorkspace(b *testing.B, keys int) *Bolt {
	b.Helper()
	s := openThree(b)
	all := make([]apikey.Key, keys-3)
	for i := range all {
		all[i] = numberedKey(b, 10)
		all[i].ID = numberedID(10 + i)
	}
	if err := s.CreateAll(all, testActor, nil); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkCreate creates keys without a bound and within one, beside few and many
// in the same workspace; and counts those.
func BenchmarkCreate(b *testing.B) {
	for _, keys := range []int{10, 10_000} {
		s := oneWorkspace(b, keys)
		for name, most := range map[string]int{"unbounded": 0, "bounded": 1 << 30} {
			b.Run(fmt.Sprintf("%d keys, %s", keys, name), func(b *testing.B) {
				actor := testActor
				actor.MaxLive = most
				k := numberedKey(b, 1)
				k.ID = numberedID(1 << 30)
				for b.Loop() {
					if err := s.Create(k, actor); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := s.Delete(k.ID, testActor, nil); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
		b.Run(fmt.Sprintf("%d keys, counted", keys), func(b *testing.B) {
			actor := testActor
			actor.MaxLive = 1 << 30
			for b.Loop() {
				if err := s.view(func(tx *bolt.Tx) error { return s.checkLive(tx, "acme", 1, actor) }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
