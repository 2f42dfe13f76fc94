// Package celltable provides a hash table that stores its entries in place, in
// few slices without pointers between them. It follows Swiss tables
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
//	for g := t.First(hash); g >= 0; g = t.Next(g, hash) {
//		for m := t.Tags(g).Match(hash); m != 0; m = m.Rest() {
//			if e := t.At(m.Cell(g)); e.key == key {
//				return e
//			}
//		}
//	}
//	return nil
//
// Resize must be called before any other method. Resize and Put move entries:
// after them, pointers that At returned earlier are no longer valid.
type Table[E, B any] struct {
	tags   []uint64 // one per group
	cells  [][]E    // in pieces; cells that are not live are zero
	beside [][]B    // as many, see Beside; or nil

	// New entries go to the groups before this number. It is the number of all
	// groups, unless the table grows: see grow.
	groups     int32
	old, moved int32

	live int32
	room int32 // empty cells before groups that may still be filled before the table grows
}

const (
	groupCells = 8
	groupFull  = 7 // cells in use per group, on average, before the table grows

	// The cells of so many groups are one piece of memory: as much as is cleared in
	// some microseconds when it is needed.
	pieceGroups = 64
	pieceCells  = pieceGroups * groupCells

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
func (t *Table[E, B]) Len() int { return int(t.live) }

// Cells returns how many cells there are.
func (t *Table[E, B]) Cells() int {
	if len(t.cells) == 0 {
		return 0
	}
	return int(t.groups) * groupCells
}

// At returns the entry of a live cell.
func (t *Table[E, B]) At(cell int) *E {
	return &t.cells[uint(cell)/pieceCells][uint(cell)%pieceCells]
}

// Beside returns what a live cell has besides its entry, in memory of its own: what
// does not fit into the cache lines of the entry. Where it is does not depend on the
// entry, so that a processor can fetch both at once. It moves with the entry, and is
// zero in a cell that has just been filled. It is nil until MakeBeside was called
// for this cell, or for one near it.
func (t *Table[E, B]) Beside(cell int) *B {
	if t.beside == nil {
		return nil
	}
	piece := t.beside[uint(cell)/pieceCells]
	if piece == nil {
		return nil
	}
	return &piece[uint(cell)%pieceCells]
}

// MakeBeside gives a live cell something beside it, and others near it.
func (t *Table[E, B]) MakeBeside(cell int) {
	if t.beside == nil {
		t.beside = make([][]B, len(t.cells))
	}
	if p := uint(cell) / pieceCells; t.beside[p] == nil {
		t.beside[p] = make([]B, len(t.cells[p]))
	}
}

// First returns the group in which the search for a hash begins. It takes 32 bits
// of the hash as a fraction of the number of groups. The lowest seven bits are
// the tag. The highest 25 are free for callers that spread keys over several
// tables.
func (t *Table[E, B]) First(hash uint64) int { return firstOf(hash, int(t.groups)) }

func firstOf(hash uint64, groups int) int {
	return int(uint64(uint32(hash>>7)) * uint64(groups) >> 32)
}

// Next returns the group in which a search continues, or -1 where it ends.
func (t *Table[E, B]) Next(group int, hash uint64) int {
	if t.Tags(group).last() {
		if t.old == 0 || group >= int(t.old) {
			return -1
		}
		return int(t.old) + firstOf(hash, len(t.tags)-int(t.old))
	}
	switch group++; group {
	case int(t.groups):
		return 0
	case len(t.tags):
		return int(t.old)
	}
	return group
}

// Tags returns the tags of a group.
func (t *Table[E, B]) Tags(group int) Tags { return Tags(t.tags[group]) }

// All iterates over the live cells. The current one may be removed.
func (t *Table[E, B]) All() iter.Seq2[int, *E] {
	return func(yield func(int, *E) bool) {
		for g, tags := range t.tags {
			for m := Matches(tags & highBits); m != 0; m = m.Rest() {
				cell := m.Cell(g)
				if !yield(cell, t.At(cell)) {
					return
				}
			}
		}
	}
}

// Put adds an entry, whose key must not be in the table, and returns its cell. A full
// table grows by a quarter, little by little: see grow.
func (t *Table[E, B]) Put(hash uint64, e *E, hashOf func(*E) uint64) (cell int) {
	if t.room == 0 {
		t.grow(hashOf)
	}
	if t.old != 0 {
		t.move(hashOf)
	}
	return t.place(hash, e)
}

// place puts an entry before t.groups.
func (t *Table[E, B]) place(hash uint64, e *E) (cell int) {
	g := t.First(hash)
	for ^t.tags[g]&highBits == 0 {
		if g++; g == int(t.groups) {
			g = 0
		}
	}
	cell = Matches(^t.tags[g] & highBits).Cell(g)
	if t.tag(cell) == tagEmpty {
		t.room--
	}
	t.setTag(cell, tagOf(hash))
	if p := cell / pieceCells; t.cells[p] == nil {
		t.cells[p] = make([]E, min(pieceCells, int(t.groups)*groupCells-p*pieceCells))
	}
	*t.At(cell) = *e
	t.live++
	return cell
}

// Remove empties a live cell. If its group has another empty cell, no search ever
// went past the group, so the cell may become empty too.
func (t *Table[E, B]) Remove(cell int) {
	tag, group := uint64(tagGone), cell/groupCells
	if t.Tags(group).last() {
		tag = tagEmpty
		if group < int(t.groups) {
			t.room++
		}
	}
	t.setTag(cell, tag)
	var none E
	*t.At(cell) = none
	if beside := t.Beside(cell); beside != nil {
		var nothing B
		*beside = nothing
	}
	t.live--
}

// Resize rebuilds the table with room for the given number of keys, which must be
// at least Len. A table for no keys takes no memory.
func (t *Table[E, B]) Resize(keys int, hashOf func(*E) uint64) {
	old := *t
	*t = Table[E, B]{tags: noKeys[:], groups: 1}
	if keys != 0 {
		groups := keys/groupFull + 1
		t.tags, t.cells = make([]uint64, groups), make([][]E, pieces(groups))
		t.groups, t.room = int32(groups), int32(groups*groupFull)
	}
	for cell, e := range old.All() {
		t.take(&old, cell, hashOf(e))
	}
}

// take puts the entry of a cell of a table, which may be this one, in the place that
// it has now.
func (t *Table[E, B]) take(from *Table[E, B], cell int, hash uint64) {
	placed := t.place(hash, from.At(cell))
	if beside := from.Beside(cell); beside != nil {
		t.MakeBeside(placed)
		*t.Beside(placed) = *beside
	}
}

// pieces returns how many pieces of memory groups take.
func pieces(groups int) int { return (groups + pieceGroups - 1) / pieceGroups }

func (t *Table[E, B]) tag(cell int) uint64 {
	return t.tags[cell/groupCells] >> (cell % groupCells * 8) & 0xFF
}

func (t *Table[E, B]) setTag(cell int, tag uint64) {
	word, shift := &t.tags[cell/groupCells], cell%groupCells*8
	*word = *word&^(0xFF<<shift) | tag<<shift
}
