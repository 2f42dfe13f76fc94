//go:build fleet

package redisstore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
)

func filled(b *testing.B, keys int) *Store {
	b.Helper()
	s := open(b, calm(redistest.Start(b).Addr))
	var all []apikey.Key
	for n := range keys {
		all = append(all, testKey(n))
	}
	if err := s.CreateAll(all, by, nil); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkLookup(b *testing.B) {
	const keys = 10_000
	s := filled(b, keys)
	ids := make([]apikey.ID, 1<<14)
	for i := range ids {
		ids[i] = testKey(rand.IntN(keys)).ID
	}
	look := func(b *testing.B, id apikey.ID) {
		if _, ok, err := s.Lookup(id); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
	b.Run("hot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			look(b, ids[0])
		}
	})
	b.Run("hot from all processors", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				look(b, ids[0])
			}
		})
	})
	b.Run("uniform", func(b *testing.B) {
		b.ReportAllocs()
		for _, id := range ids {
			look(b, id)
		}
		i := 0
		for b.Loop() {
			look(b, ids[i&(len(ids)-1)])
			i++
		}
	})
	b.Run("cold", func(b *testing.B) {
		i := 0
		for b.Loop() {
			id := ids[i&(len(ids)-1)]
			s.keys.forget(id)
			look(b, id)
			i++
		}
	})
	b.Run("cold from many", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				id := ids[rand.IntN(len(ids))]
				s.keys.forget(id)
				look(b, id)
			}
		})
	})
}

func BenchmarkRevoke(b *testing.B) {
	s := filled(b, 1)
	on := true
	for b.Loop() {
		on = !on
		if _, err := s.Update(testKey(0).ID, "update", by, func(k *apikey.Key) error { k.Disabled = !on; return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate creates keys without a bound and within one, beside many keys of
// the same workspace, of which there are so few less than the bound that they have to
// be counted.
func BenchmarkCreate(b *testing.B) {
	for _, keys := range []int{10, 10_000} {
		s := filled(b, keys)
		if err := s.CreateAll([]apikey.Key{revokedKey(-1), revokedKey(-2)}, by, nil); err != nil {
			b.Fatal(err)
		}
		for name, most := range map[string]int{"unbounded": 0, "bounded": keys + 1} {
			b.Run(fmt.Sprintf("%d keys, %s", keys, name), func(b *testing.B) {
				k := testKey(1 << 38)
				for b.Loop() {
					if err := s.Create(k, within(most)); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := s.Delete(k.ID, by, nil); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}

func revokedKey(n int) apikey.Key {
	k := testKey(1<<39 - n)
	k.RevokedAt = by.At
	return k
}
