package celltable

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

type numbered struct {
	n     int
	value int64
}

func find(t *Table[numbered, int64], hash uint64, n int) int {
	for g := t.First(hash); g >= 0; g = t.Next(g, hash) {
		for m := t.Tags(g).Match(hash); m != 0; m = m.Rest() {
			if cell := m.Cell(g); t.At(cell).n == n {
				return cell
			}
		}
	}
	return -1
}

// TestTableModel does at random what can be done, and compares with a map, also
// where keys collide as they never should: tables must answer right, if slowly,
// whatever the hashes are.
func TestTableModel(t *testing.T) {
	hashing := maphash.MakeSeed()
	hash := func(n int) uint64 { return maphash.Comparable(hashing, n) }
	for name, hash := range map[string]func(int) uint64{
		"hashed":       hash,
		"one hash":     func(int) uint64 { return 0x1234567890ABCDEF },
		"one tag":      func(n int) uint64 { return hash(n) &^ 0x7F },
		"few tags":     func(n int) uint64 { return hash(n) &^ 0x7E }, // which the search mixes up
		"one group":    func(n int) uint64 { return hash(n) & 0x7F },
		"last group":   func(n int) uint64 { return hash(n) | ^uint64(0x7F) }, // goes on in the first
		"three groups": func(n int) uint64 { return hash(n) % 3 << 35 },
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 1))
			hashOf := func(e *numbered) uint64 { return hash(e.n) }
			var tab Table[numbered, int64]
			tab.Resize(0, hashOf)
			model := make(map[int]int64)
			for step := range 40_000 {
				// The number of keys goes up and down, so that tables grow and
				// fill with what has gone.
				n := r.IntN(20 + 1180*(step/5000%2))
				cell := find(&tab, hash(n), n)
				if want, ok := model[n]; ok != (cell >= 0) || ok && tab.At(cell).value != want {
					t.Fatalf("seed %d, step %d: key %d is in cell %d; want there %t", seed, step, n, cell, ok)
				}
				switch {
				case cell < 0:
					cell := tab.Put(hash(n), &numbered{n, int64(step)}, hashOf)
					if e := tab.At(cell); e.n != n {
						t.Fatalf("seed %d, step %d: put %d, and is given %+v", seed, step, n, *e)
					}
					if step > 1000 { // and before that there is nothing beside any
						tab.MakeBeside(cell)
						if beside := tab.Beside(cell); *beside != 0 {
							t.Fatalf("seed %d, step %d: beside a new entry is %d", seed, step, *beside)
						}
						*tab.Beside(cell) = int64(step)
					} else if tab.Beside(cell) != nil {
						t.Fatalf("seed %d, step %d: something is beside an entry, which nobody asked for", seed, step)
					}
					model[n] = int64(step)
				case r.IntN(2) == 0:
					tab.Remove(cell)
					delete(model, n)
				}
				if r.IntN(1000) == 0 {
					tab.Resize(len(model), hashOf)
				}
				if r.IntN(1000) == 0 {
					removeSome(&tab, model, r)
				}
				if tab.Len() != len(model) {
					t.Fatalf("seed %d, step %d: %d keys; want %d", seed, step, tab.Len(), len(model))
				}
			}
			if cells := tab.Cells(); cells > 1800 { // room for a quarter more
				t.Errorf("seed %d: %d cells for at most 1200 keys", seed, cells)
			}
			checkCells(t, &tab, model)
		})
	}
}

// removeSome goes through the table and removes a third of it meanwhile.
func removeSome(tab *Table[numbered, int64], model map[int]int64, r *rand.Rand) {
	for cell, e := range tab.All() {
		if r.IntN(3) == 0 {
			delete(model, e.n)
			tab.Remove(cell)
		}
	}
}

func checkCells(t *testing.T, tab *Table[numbered, int64], model map[int]int64) {
	t.Helper()
	seen := 0
	for cell, e := range tab.All() {
		if want, ok := model[e.n]; !ok || e.value != want || tab.At(cell) != e {
			t.Errorf("cell %d has %+v; want there %t, with %d", cell, *e, ok, want)
		}
		if beside := tab.Beside(cell); beside == nil && e.value > 1000 || beside != nil && *beside != 0 && *beside != e.value {
			t.Errorf("beside %+v is %v", *e, beside)
		}
		seen++
	}
	if seen != len(model) {
		t.Errorf("%d live cells; want %d", seen, len(model))
	}
	empty := 0
	for cell := range len(tab.tags) * groupCells {
		piece := tab.cells[cell/pieceCells]
		if tab.tag(cell) == tagEmpty && cell < tab.Cells() {
			empty++
		}
		if tab.tag(cell)&tagLive == 0 && cell%pieceCells < len(piece) && *tab.At(cell) != (numbered{}) {
			t.Errorf("cell %d still has %+v", cell, *tab.At(cell))
		}
	}
	// One for each group has to stay, or a search might never end.
	if want := empty - int(tab.groups); int(tab.room) != want || want < 0 {
		t.Errorf("room for %d; of %d groups %d cells are empty", tab.room, tab.groups, empty)
	}
}

func TestResize(t *testing.T) {
	hashOf := func(e *numbered) uint64 { return uint64(e.n) * 0x9E3779B97F4A7C15 }
	for _, tt := range []struct{ room, cells int }{{0, 0}, {1, 8}, {6, 8}, {7, 16}, {700, 808}} {
		t.Run(fmt.Sprint(tt.room), func(t *testing.T) {
			var tab Table[numbered, int64]
			tab.Resize(tt.room, hashOf)
			for n := range tt.room {
				e := numbered{n: n}
				tab.Put(hashOf(&e), &e, hashOf)
			}
			if got := tab.Cells(); got != tt.cells {
				t.Errorf("%d cells; want %d", got, tt.cells)
			}
			for n := range tt.room {
				tab.Remove(find(&tab, hashOf(&numbered{n: n}), n))
			}
			tab.Resize(0, hashOf)
			if tab.Cells() != 0 || tab.Len() != 0 || find(&tab, hashOf(&numbered{n: 1}), 1) != -1 {
				t.Errorf("an empty table has %d keys in %d cells", tab.Len(), tab.Cells())
			}
		})
	}
}

func TestAllStops(t *testing.T) {
	hashOf := func(*numbered) uint64 { return 0 }
	var tab Table[numbered, int64]
	tab.Resize(0, hashOf)
	for n := range 20 {
		tab.Put(0, &numbered{n: n}, hashOf)
	}
	seen := 0
	for range tab.All() {
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("saw %d; want 3", seen)
	}
}
