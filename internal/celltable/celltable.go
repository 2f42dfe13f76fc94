// Package celltable provides a hash table that stores its entries in place, in
// one slice without pointers between them. It follows Swiss tables
// (https://abseil.io/about/design/swisstables), as Go's own map does.
//
// The difference to a map is who knows the key. A map stores a key beside each
// value. Here the entry contains its key, and the table never looks at it: the
// caller walks the candidates for a hash and compares the concrete key type. That
// saves the second copy of the key, and a generic comparison. See [Table] for the
// loop of a look-up.
//
// Cells come in groups of eight, and a group has one word of eight tags, one byte
// per cell. A tag says that the cell is empty, that its entry is gone, or that it
// is live, with seven bits of the hash. A look-up compares the eight tags of a
// group at once, and then normally reads only the entry that it wants. The tags
// of a million entries take little more than a megabyte, which caches hold, so a
// look-up costs about one cache miss.
//
// The table does no locking. Callers that share one hold a lock of their own.
package celltable

import "iter"

// Table is a hash table with open addressing; the package comment describes its
// layout. A look-up compares keys itself:
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
// Resize must be called before any other method. Resize and Put move entries:
// after them, pointers that At returned earlier are no longer valid.
type Table[E any] struct {
	tags  []uint64 // one per group
	cells []E      // eight per group; cells that are not live are zero
	live  int
	room  int // empty cells that may still be filled before the table grows
}

const (
	groupCells = 8
	groupFull  = 7 // cells in use per group, on average, before the table grows

	// tagEmpty ends a search. tagGone does not: the key may have been put behind
	// an entry that was removed since.
	tagEmpty = 0x00
	tagGone  = 0x01
	tagLive  = 0x80 // the low bits of the hash are added

	everyByte = 0x0101010101010101
	highBits  = tagLive * everyByte
)

// noKeys are the tags of every table without cells: all are empty, and none may
// be filled.
var noKeys [1]uint64

// Len returns how many cells are live.
func (t *Table[E]) Len() int { return t.live }

// Cells returns how many cells there are.
func (t *Table[E]) Cells() int { return len(t.cells) }

// At returns the entry of a cell.
func (t *Table[E]) At(cell int) *E { return &t.cells[cell] }

// First returns the group in which the search for a hash begins. It takes 32 bits
// of the hash as a fraction of the number of groups. The lowest seven bits are
// the tag. The highest 25 are free for callers that spread keys over several
// tables.
func (t *Table[E]) First(hash uint64) int {
	return int(uint64(uint32(hash>>7)) * uint64(len(t.tags)) >> 32)
}

// Next returns the group in which a search continues.
func (t *Table[E]) Next(group int) int {
	if group++; group == len(t.tags) {
		return 0
	}
	return group
}

// Tags returns the tags of a group.
func (t *Table[E]) Tags(group int) Tags { return Tags(t.tags[group]) }

// All iterates over the live cells. The current one may be removed.
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

// Put adds an entry, whose key must not be in the table, and returns where it is.
// A full table grows by a quarter.
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

// Remove empties a live cell. If its group has another empty cell, no search ever
// went past the group, so the cell may become empty too.
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

// Resize rebuilds the table with room for the given number of keys, which must be
// at least Len. A table for no keys takes no memory.
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
