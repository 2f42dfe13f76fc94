package celltable

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

// mostMoves is how many entries may move when one is put into a table. Each takes
// two cache misses at most, so that all of them take some microseconds.
const mostMoves = 64

// TestPutMovesFew grows tables from nothing, also while entries go, and counts what
// one Put moves. However large the table is, a request waits no longer. All hashes and
// choices are the same each time: how many entries move depends on when the table is
// found full.
func TestPutMovesFew(t *testing.T) {
	hash := func(n int) uint64 { return rand.NewPCG(uint64(n), 0).Uint64() }
	for _, tt := range []struct {
		name   string
		puts   int
		remove func(r *rand.Rand, live int) int // how many entries to remove after a Put
	}{
		{"only put", 1_000_000, func(*rand.Rand, int) int { return 0 }},
		{"some go", 300_000, func(r *rand.Rand, _ int) int { return r.IntN(2) }},
		{"as many go", 300_000, func(_ *rand.Rand, live int) int { return live / 50_001 }},
		{"nearly all go at times", 300_000, func(r *rand.Rand, live int) int {
			if r.IntN(20_000) == 0 {
				return live - 1
			}
			return 0
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 1))
			var tab Table[numbered, int64]
			moves := 0
			hashOf := func(e *numbered) uint64 {
				moves++
				return hash(e.n)
			}
			tab.Resize(0, hashOf)
			first, most, all := 0, 0, 0 // of the entries that are there, the first
			for n := range tt.puts {
				moves = 0
				tab.Put(hash(n), &numbered{n: n, value: int64(n)}, hashOf)
				most, all = max(most, moves), all+moves
				for range min(tt.remove(r, tab.Len()), tab.Len()) {
					tab.Remove(find(&tab, hash(first), first))
					first++
				}
			}
			if most > mostMoves || all < tt.puts/2 {
				t.Errorf("%d puts moved %d entries, and one of them %d; want at most %d", tt.puts, all, most, mostMoves)
			}
			if want := tt.puts - first; tab.Len() != want {
				t.Errorf("%d entries, want %d", tab.Len(), want)
			}
			for n := first - 10; n < tt.puts; n++ {
				cell := find(&tab, hash(n), n)
				if want := n >= first; (cell >= 0) != want || want && tab.At(cell).value != int64(n) {
					t.Fatalf("entry %d is in cell %d; want it there %t", n, cell, want)
				}
			}
		})
	}
}

// BenchmarkPut grows tables from nothing.
func BenchmarkPut(b *testing.B) {
	hashing := maphash.MakeSeed()
	hashOf := func(e *numbered) uint64 { return maphash.Comparable(hashing, e.n) }
	for _, keys := range []int{4_000, 1_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			for b.Loop() {
				var tab Table[numbered, int64]
				tab.Resize(0, hashOf)
				for n := range keys {
					e := numbered{n: n}
					tab.Put(hashOf(&e), &e, hashOf)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*keys), "ns/put")
		})
	}
}
