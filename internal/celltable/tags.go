package celltable

import "math/bits"

// Tags are those of one group, the first cell's in the lowest byte.
type Tags uint64

func tagOf(hash uint64) uint64 { return hash&^highBits&0xFF | tagLive }

// Match returns the cells that may hold what has a hash.
func (t Tags) Match(hash uint64) Matches {
	// Bytes that are zero here have the tag. The sum finds them, and at times
	// one more, of a key with the tag next to it: the key decides.
	x := uint64(t) ^ tagOf(hash)*everyByte
	return Matches((x - everyByte) &^ x & highBits)
}

// Last reports whether a search ends in this group, as a cell of it is empty.
func (t Tags) Last() bool { return uint64(t-everyByte)&^uint64(t)&highBits != 0 }

// Matches are cells of one group: the highest bit of each one's byte.
type Matches uint64

// Cell returns the number in the table of the first one, which must be there.
func (m Matches) Cell(group int) int {
	return group*groupCells + bits.TrailingZeros64(uint64(m))/8
}

// Rest returns the others.
func (m Matches) Rest() Matches { return m & (m - 1) }
