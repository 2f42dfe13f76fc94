package keystore

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkCreateAll imports a hundred thousand keys.
func BenchmarkCreateAll(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		b.StopTimer()
		s := openThree(b)
		keys := make([]apikey.Key, n)
		for i := range keys {
			keys[i] = testKey(b)
			keys[i].ID, keys[i].Opaque = numberedID(i+10), i%2 == 0
			keys[i].Workspace = fmt.Sprint("workspace", i/10)
			binary.BigEndian.PutUint32(keys[i].Hash[8:], uint32(i))
		}
		b.StartTimer()
		if err := s.CreateAll(keys, testActor, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpkeep checks a hundred thousand keys, and prunes their trail.
func BenchmarkUpkeep(b *testing.B) {
	s := openThree(b)
	keys := make([]apikey.Key, 100_000)
	for i := range keys {
		keys[i] = testKey(b)
		keys[i].ID = numberedID(i + 10)
	}
	if err := s.CreateAll(keys, testActor, nil); err != nil {
		b.Fatal(err)
	}
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Check(func(name string, problem error) { b.Error(name, problem) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("prune", func(b *testing.B) {
		for b.Loop() { // all in the first round
			if err := s.Prune(0, testActor.At.Add(time.Second)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLookupOpaque is what a foreign token costs, known or not, and what
// it costs where there are none.
func BenchmarkLookupOpaque(b *testing.B) {
	var known, unknown apikey.Hash
	known[0], unknown[0] = 1, 2
	k := testKey(b)
	k.Hash = known
	g, err := k.Grant()
	if err != nil {
		b.Fatal(err)
	}
	none, some := NewIndex(), NewIndex()
	some.Put(k.ID, g, true)
	for _, tt := range []struct {
		name string
		x    *Index
		hash apikey.Hash
		want bool
	}{{"none", none, known, false}, {"unknown", some, unknown, false}, {"known", some, known, true}} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, ok := tt.x.LookupOpaque(tt.hash); ok != tt.want {
					b.Fatal(ok)
				}
			}
		})
	}
}
