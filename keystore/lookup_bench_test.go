package keystore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkLookup asks indexes of three sizes for one key again and again, for
// all of their keys in random order, and for one that is not there. On all
// cores, those who ask for one key meet in its shard.
func BenchmarkLookup(b *testing.B) {
	for _, keys := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d_keys", keys), func(b *testing.B) {
			keys := most(keys)
			x := fillIndex(b, keys)
			all := make([]apikey.ID, keys)
			for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(keys) {
				all[i] = numberedID(n)
			}
			for _, tt := range []struct {
				name string
				ids  []apikey.ID
				want bool
			}{{"hot_key", all[:1], true}, {"uniform", all, true}, {"unknown", []apikey.ID{numberedID(keys)}, false}} {
				b.Run(tt.name+"/serial", func(b *testing.B) {
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						if _, ok := x.Lookup(tt.ids[i]); ok != tt.want {
							b.Fatalf("found: %v", ok)
						}
						if i++; i == len(tt.ids) {
							i = 0
						}
					}
				})
				b.Run(tt.name+"/parallel", func(b *testing.B) {
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						i := rand.IntN(len(tt.ids))
						for pb.Next() {
							if _, ok := x.Lookup(tt.ids[i]); ok != tt.want {
								b.Errorf("found: %v", ok)
								return
							}
							if i++; i == len(tt.ids) {
								i = 0
							}
						}
					})
				})
			}
		})
	}
}

func TestStoreLookupAllocatesNothing(t *testing.T) {
	s := openThree(t)
	opaque := numberedKey(t, 4)
	opaque.Opaque = true
	opaque.Hash[0]++
	if err := s.Create(opaque, testActor); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id   apikey.ID
		want bool
	}{{numberedID(1), true}, {numberedID(9), false}} {
		if _, ok, _ := s.Lookup(tt.id); ok != tt.want {
			t.Fatalf("%s is found: %v", tt.id, ok)
		}
		if n := testing.AllocsPerRun(100, func() { s.Lookup(tt.id) }); n != 0 {
			t.Errorf("a look-up of %s allocates %v times", tt.id, n)
		}
	}
	for _, tt := range []struct {
		hash apikey.Hash
		want bool
	}{{opaque.Hash, true}, {apikey.Hash{}, false}} {
		if _, _, ok, _ := s.LookupOpaque(tt.hash); ok != tt.want {
			t.Fatalf("the hash is found: %v, want %v", ok, tt.want)
		}
		if n := testing.AllocsPerRun(100, func() { s.LookupOpaque(tt.hash) }); n != 0 {
			t.Errorf("a look-up by hash (found: %v) allocates %v times", tt.want, n)
		}
	}
}
