package ratelimit

import "hash/maphash"

// entry is the state of one key or workspace in use. It lies in its shard's
// table, and moves when an entry is added or the table shrinks. So a pointer to
// it is valid only until then, and only while the shard's lock is held.
//
// An entry is two cache lines, which processors fetch together. It has what a use
// changes first; the day before comes last. What was seen of the use of a
// key is beside it. The entry of a key contains no pointer, so that the garbage
// collector does not scan the keys in use.
type entry[K comparable] struct {
	k      K
	minute bucket
	quota  quota
}

func (s *shard[K]) hashOf(e *entry[K]) uint64 { return maphash.Comparable(s.seed, e.k) }

// find returns the cell of k, or -1. s.mu must be held.
func (s *shard[K]) find(hash uint64, k K) int {
	for g := s.entries.First(hash); g >= 0; g = s.entries.Next(g, hash) {
		for m := s.entries.Tags(g).Match(hash); m != 0; m = m.Rest() {
			if cell := m.Cell(g); s.entries.At(cell).k == k {
				return cell
			}
		}
	}
	return -1
}

// get returns the entry of k, or nil. s.mu must be held.
func (s *shard[K]) get(hash uint64, k K) *entry[K] {
	if cell := s.find(hash, k); cell >= 0 {
		return s.entries.At(cell)
	}
	return nil
}

// add makes an entry for k, which must have none. s.mu must be held.
func (s *shard[K]) add(hash uint64, k K, q quota) (cell int) {
	return s.entries.Put(hash, &entry[K]{k: k, quota: q}, s.hashOf)
}

// entry returns the entry of k, and makes one without use on any day if there is
// none. s.mu must be held.
func (s *shard[K]) entry(hash uint64, k K) *entry[K] {
	if e := s.get(hash, k); e != nil {
		return e
	}
	return s.entries.At(s.add(hash, k, unused()))
}
