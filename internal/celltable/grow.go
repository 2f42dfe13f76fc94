package celltable

import "slices"

// moveGroups is how many groups of an older table one Put moves. It is small, so
// that nobody waits long, and more than one, so that there are rarely two tables.
const moveGroups = 4

// grow begins to make a full table larger. A request that waits for a table of many
// thousand entries to move would wait for a millisecond. So the larger table begins
// empty, and the older one stays behind it:
//
//   - The groups of the older table get the numbers from t.old on. That is a multiple
//     of pieceGroups, so that no piece of memory is of both. There is nothing in the
//     groups between the two.
//   - New entries go to the larger table only.
//   - A search goes through the larger table, and then through the older one.
//   - Each Put moves the entries of the next moveGroups groups of the older table, from
//     t.moved on, and gives back the pieces of memory that are empty then.
//
// There is always room for all entries of the older table, and for one more for each
// Put until they have moved: see the number of keys below.
func (t *Table[E, B]) grow(hashOf func(*E) uint64) {
	groups := len(t.tags)
	keys := t.Len() + 1 + max(t.Len()/4, groups/moveGroups+1)
	if groups <= moveGroups {
		t.Resize(keys, hashOf)
		return
	}
	larger := keys/groupFull + 1
	front := pieces(larger)
	t.tags = append(make([]uint64, front*pieceGroups, front*pieceGroups+groups), t.tags...)
	t.cells = append(make([][]E, front, front+len(t.cells)), t.cells...)
	if t.beside != nil {
		t.beside = append(make([][]B, front, front+len(t.beside)), t.beside...)
	}
	t.groups, t.room = int32(larger), int32(larger*groupFull)
	t.old = int32(front * pieceGroups)
	t.moved = t.old
}

// move moves the entries of the next groups of the older table.
func (t *Table[E, B]) move(hashOf func(*E) uint64) {
	for range moveGroups {
		g := int(t.moved)
		for m := Matches(t.tags[g] & highBits); m != 0; m = m.Rest() {
			cell := m.Cell(g)
			t.take(t, cell, hashOf(t.At(cell)))
			t.Remove(cell)
		}
		g++
		t.moved = int32(g)
		if g%pieceGroups == 0 || g == len(t.tags) {
			t.drop((g - 1) / pieceGroups)
		}
		if g == len(t.tags) {
			t.settle()
			return
		}
	}
}

// drop gives back a piece of memory.
func (t *Table[E, B]) drop(piece int) {
	t.cells[piece] = nil
	if t.beside != nil {
		t.beside[piece] = nil
	}
}

// settle forgets the older table, which is empty.
func (t *Table[E, B]) settle() {
	groups := int(t.groups)
	t.tags = slices.Clone(t.tags[:groups])
	t.cells = slices.Clone(t.cells[:pieces(groups)])
	if t.beside != nil {
		t.beside = slices.Clone(t.beside[:pieces(groups)])
	}
	t.old, t.moved = 0, 0
}
