//go:build fleet

package redisstore

import (
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
