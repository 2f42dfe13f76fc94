package keystore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// TestIndexShardModel does at random what can be done, and compares with a map,
// also where keys collide as they never should: tables must answer right, if
// slowly, whatever the hashes are.
func TestIndexShardModel(t *testing.T) {
	x := NewIndex()
	for name, hashOf := range map[string]func(*apikey.ID) uint64{
		"hashed":       x.hash,
		"one hash":     func(*apikey.ID) uint64 { return 0x1234567890ABCDEF },
		"one tag":      func(id *apikey.ID) uint64 { return x.hash(id) &^ 0x7F },
		"few tags":     func(id *apikey.ID) uint64 { return x.hash(id) &^ 0x7E }, // which the search mixes up
		"one group":    func(id *apikey.ID) uint64 { return x.hash(id) & 0x7F },
		"last group":   func(id *apikey.ID) uint64 { return x.hash(id) | ^uint64(0x7F) }, // goes on in the first
		"three groups": func(id *apikey.ID) uint64 { return x.hash(id) % 3 << 60 >> shardBits },
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 1))
			var s indexShard
			s.resize(0, hashOf)
			model := make(map[int]int64)
			for step := range 20_000 {
				// The number of keys goes up and down, so that tables grow and
				// fill with what has gone.
				n := r.IntN(20 + 180*(step/2000%2))
				id := numberedID(n)
				cell := s.find(hashOf(&id), &id)
				if want, ok := model[n]; ok != (cell >= 0) || ok && s.entries[cell].expiresAt != want {
					t.Fatalf("seed %d, step %d: key %d is in cell %d; want there %t", seed, step, n, cell, ok)
				}
				switch {
				case cell < 0:
					s.put(hashOf(&id), &indexEntry{id: id, expiresAt: int64(step), terms: 1}, hashOf)
					model[n] = int64(step)
				case r.IntN(2) == 0:
					s.remove(cell)
					delete(model, n)
				}
				if s.live != len(model) {
					t.Fatalf("seed %d, step %d: %d keys; want %d", seed, step, s.live, len(model))
				}
			}
			if groups := len(s.tags); groups > 200 { // room for 7 times the keys
				t.Errorf("seed %d: %d groups for at most 200 keys", seed, groups)
			}
			live, empty := 0, 0
			for i := range s.entries {
				if s.entries[i].terms != 0 {
					live++
				}
				if s.tag(i/groupCells, i%groupCells) == tagEmpty {
					empty++
				}
			}
			if live != len(model) {
				t.Errorf("seed %d: %d entries; want %d", seed, live, len(model))
			}
			// One for each group has to stay, or a search might never end.
			if want := empty - len(s.tags); s.room != want || want < 0 {
				t.Errorf("seed %d: room for %d; of %d groups %d cells are empty", seed, s.room, len(s.tags), empty)
			}
		})
	}
}

// TestIndexReserve makes sure that an index made for so many keys takes them
// without growing, and is no larger than it has to be.
func TestIndexReserve(t *testing.T) {
	for _, keys := range []int{0, 1000, 50_000} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			x := NewIndex()
			x.reserve(keys)
			before := x.cells()
			if most := indexShards*groupCells*2 + keys*2; before > most {
				t.Errorf("%d cells; want at most %d", before, most)
			}
			g := testGrant(t)
			for i := range keys {
				x.Put(numberedID(i), g, false)
			}
			if after := x.cells(); after > before+before/50 {
				t.Errorf("grew from %d cells to %d", before, after)
			}
		})
	}
}

func (x *Index) cells() (n int) {
	for i := range x.shards {
		n += len(x.shards[i].entries)
	}
	return n
}

func testGrant(tb testing.TB) apikey.Grant {
	tb.Helper()
	k := testKey(tb)
	g, err := k.Grant()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}
