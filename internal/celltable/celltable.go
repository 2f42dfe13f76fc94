// Package celltable has a hash table whose entries lie in place, in one slice.
package celltable

import "iter"

// Table is a hash table with open addressing. Its cells come in groups of
// eight, and each group has a word of eight tags, one byte for each cell: empty,
// gone, or live and seven bits of the hash. A look-up reads the tags of a group
// all at once, and then as a rule only the one entry that it wants. The tags of
// a million keys are little more than a megabyte, which caches hold; an entry
// is one miss of them.
//
// That is how Swiss tables work (https://abseil.io/about/design/swisstables);
// Go's own map is one, but has a key and its value where this has the entry,
// which holds its key. The table never sees that key: whoever has the table
// compares it, as only so is that a comparison of what the key really is.
//
//	for g := t.First(hash); ; g = t.Next(g) {
//		tags := t.Tags(g)
//		for m := tags.Match(hash); m != 0; m = m.Rest() {
//			if e := t.At(m.Cell(g)); e.key == key {
//				return e
//			}
//		}
//		if tags.Last() {
//			return nil
//		}
//	}
//
// Resize has to be called before anything else. It and Put move the entries, so
// that what At returned is no entry any more.
type Table[E any] struct {
	tags  []uint64 // a group each
	cells []E      // eight a group; those that are not live are zero
	live  int
	room  int // empty cells that may still be filled
}

const (
	groupCells = 8
	groupFull  = 7 // cells in use for each group, on average, before the table grows

	// tagEmpty ends a search. tagGone does not: the key searched for may have
	// been put behind one that has gone since.
	tagEmpty = 0x00
	tagGone  = 0x01
	tagLive  = 0x80 // and the low bits of the hash

	everyByte = 0x0101010101010101
	highBits  = tagLive * everyByte
)

// noKeys are the tags of every table that has no cells: all are empty, and none
// may be filled.
var noKeys [1]uint64

// Len returns how many cells are live.
func (t *Table[E]) Len() int { return t.live }

// Cells returns how many cells there are.
func (t *Table[E]) Cells() int { return len(t.cells) }

// At returns the entry of a cell.
func (t *Table[E]) At(cell int) *E { return &t.cells[cell] }

// First returns the group in which the search for a hash begins: 32 bits of it,
// as a fraction of the groups. The lowest seven are the tag, and the highest 25
// are left for whoever spreads keys over several tables.
func (t *Table[E]) First(hash uint64) int {
	return int(uint64(uint32(hash>>7)) * uint64(len(t.tags)) >> 32)
}

// Next returns the group in which a search goes on.
func (t *Table[E]) Next(group int) int {
	if group++; group == len(t.tags) {
		return 0
	}
	return group
}

// Tags returns those of a group.
func (t *Table[E]) Tags(group int) Tags { return Tags(t.tags[group]) }

// All goes through the live cells. The one at hand may be removed.
func (t *Table[E]) All() iter.Seq2[int, *E] {
	return func(yield func(int, *E) bool) {
		for g, tags := range t.tags {
			for m := Matches(tags & highBits); m != 0; m = m.Rest() {
				cell := m.Cell(g)
				if !yield(cell, &t.cells[cell]) {
					return
				}
			}
		}
	}
}

// Put adds an entry whose key is not there, and returns where it is. A table
// that is full grows by a quarter.
func (t *Table[E]) Put(hash uint64, e *E, hashOf func(*E) uint64) *E {
	if t.room == 0 {
		t.Resize((t.live+1)*5/4, hashOf)
	}
	return t.place(hash, e)
}

func (t *Table[E]) place(hash uint64, e *E) *E {
	g := t.First(hash)
	for ^t.tags[g]&highBits == 0 {
		g = t.Next(g)
	}
	cell := Matches(^t.tags[g] & highBits).Cell(g)
	if t.tag(cell) == tagEmpty {
		t.room--
	}
	t.setTag(cell, tagOf(hash))
	t.cells[cell] = *e
	t.live++
	return &t.cells[cell]
}

// Remove empties a live cell. Where its group has another empty cell no search
// ever went past it, and it can be empty as well.
func (t *Table[E]) Remove(cell int) {
	tag := uint64(tagGone)
	if t.Tags(cell / groupCells).Last() {
		tag = tagEmpty
		t.room++
	}
	t.setTag(cell, tag)
	var none E
	t.cells[cell] = none
	t.live--
}

// Resize makes the table anew with room for so many keys, which are at least
// those that it has. A table for none takes no memory.
func (t *Table[E]) Resize(keys int, hashOf func(*E) uint64) {
	old := *t
	*t = Table[E]{tags: noKeys[:]}
	if keys != 0 {
		groups := keys/groupFull + 1
		t.tags, t.cells = make([]uint64, groups), make([]E, groups*groupCells)
		t.room = groups * groupFull
	}
	for _, e := range old.All() {
		t.place(hashOf(e), e)
	}
}

func (t *Table[E]) tag(cell int) uint64 {
	return t.tags[cell/groupCells] >> (cell % groupCells * 8) & 0xFF
}

func (t *Table[E]) setTag(cell int, tag uint64) {
	word, shift := &t.tags[cell/groupCells], cell%groupCells*8
	*word = *word&^(0xFF<<shift) | tag<<shift
}
