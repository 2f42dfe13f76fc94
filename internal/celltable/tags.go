package celltable

import "math/bits"

// Tags are the eight tags of a group, the first cell's in the lowest byte.
type Tags uint64

func tagOf(hash uint64) uint64 { return hash&^highBits&0xFF | tagLive }

// Match returns the cells whose tags fit a hash. Their keys may still differ.
func (t Tags) Match(hash uint64) Matches {
	// Bytes of x that are zero have the tag. The subtraction finds all of them,
	// and sometimes also the byte after one, so the caller compares the key.
	x := uint64(t) ^ tagOf(hash)*everyByte
	return Matches((x - everyByte) &^ x & highBits)
}

// last reports whether a search ends in this group because one of its cells is
// empty.
func (t Tags) last() bool { return uint64(t-everyByte)&^uint64(t)&highBits != 0 }

// Matches is a set of cells in one group: the highest bit of a byte marks its
// cell.
type Matches uint64

// Cell returns the number in the table of the first cell of the set, which must
// not be empty.
func (m Matches) Cell(group int) int {
	return group*groupCells + bits.TrailingZeros64(uint64(m))/8
}

// Rest returns the set without its first cell.
func (m Matches) Rest() Matches { return m & (m - 1) }
