package keystore

import (
	"math/bits"
	"sync"

	"github.com/socialpatra/keygate/apikey"
)

// indexShard is a hash table with open addressing. Its cells come in groups of
// eight, and each group has a word of eight tags, one byte for each cell: empty,
// gone, or live and seven bits of the hash. A look-up reads the tags of a group
// all at once, and then as a rule only the one entry that it wants. The tags of
// a million keys are little more than a megabyte, which caches hold; an entry
// is one miss of them.
//
// That is how Swiss tables work (https://abseil.io/about/design/swisstables);
// Go's own map is one, but has an ID and its number where this has the entry.
type indexShard struct {
	mu      sync.RWMutex
	tags    []uint64     // a group each
	entries []indexEntry // eight a group; those of cells that are not live are zero
	live    int
	room    int // empty cells that may still be filled
	_       [40]byte
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

// group is where the search for a hash begins: its upper half, as a fraction of
// the groups. The shard comes of the highest bits, which are spent here.
func (s *indexShard) group(hash uint64) int {
	hi, _ := bits.Mul64(hash<<shardBits, uint64(len(s.tags)))
	return int(hi)
}

func tagOf(hash uint64) uint64 { return hash&^highBits&0xFF | tagLive }

// find returns the cell of an ID, or -1.
func (s *indexShard) find(hash uint64, id *apikey.ID) int {
	want := tagOf(hash) * everyByte
	for g := s.group(hash); ; g++ {
		if g == len(s.tags) {
			g = 0
		}
		tags := s.tags[g]
		// Bytes that are zero here have the tag. The sum finds them, and at
		// times one more, of a key with the tag next to it: the ID decides.
		x := tags ^ want
		for match := (x - everyByte) &^ x & highBits; match != 0; match &= match - 1 {
			cell := g*groupCells + bits.TrailingZeros64(match)/8
			if s.entries[cell].id == *id {
				return cell
			}
		}
		if (tags-everyByte)&^tags&highBits != 0 { // one is empty
			return -1
		}
	}
}

// put adds a key that is not there.
func (s *indexShard) put(hash uint64, e *indexEntry, hashOf func(*apikey.ID) uint64) {
	if s.room == 0 {
		s.resize((s.live+1)*3/2, hashOf)
	}
	s.place(hash, e)
}

func (s *indexShard) place(hash uint64, e *indexEntry) {
	g := s.group(hash)
	for ^s.tags[g]&highBits == 0 {
		if g++; g == len(s.tags) {
			g = 0
		}
	}
	i := bits.TrailingZeros64(^s.tags[g]&highBits) / 8
	if s.tag(g, i) == tagEmpty {
		s.room--
	}
	s.setTag(g, i, tagOf(hash))
	s.entries[g*groupCells+i] = *e
	s.live++
}

// remove empties a live cell. Where its group has another empty cell no search
// ever went past it, and it can be empty as well.
func (s *indexShard) remove(cell int) {
	g, i := cell/groupCells, cell%groupCells
	tag := uint64(tagGone)
	if tags := s.tags[g]; (tags-everyByte)&^tags&highBits != 0 {
		tag = tagEmpty
		s.room++
	}
	s.setTag(g, i, tag)
	s.entries[cell] = indexEntry{}
	s.live--
}

// resize makes the table anew with room for so many keys, which are at least
// those that it has.
func (s *indexShard) resize(keys int, hashOf func(*apikey.ID) uint64) {
	old := s.entries
	groups := keys/groupFull + 1
	s.tags, s.entries = make([]uint64, groups), make([]indexEntry, groups*groupCells)
	s.live, s.room = 0, groups*groupFull
	for i := range old {
		if old[i].terms != 0 {
			s.place(hashOf(&old[i].id), &old[i])
		}
	}
}

func (s *indexShard) tag(g, i int) uint64 { return s.tags[g] >> (8 * i) & 0xFF }

func (s *indexShard) setTag(g, i int, tag uint64) {
	s.tags[g] = s.tags[g]&^(0xFF<<(8*i)) | tag<<(8*i)
}
