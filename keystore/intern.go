package keystore

import (
	"sync"
	"sync/atomic"
)

// interned keeps one copy of each value that many keys share, and counts the
// users of each. Keys refer to a value by number, so that they contain no pointer
// for the garbage collector to follow. K identifies a value; most are identified
// by a text, see acquireText.
//
// Reference 0 is the zero T and is never counted.
type interned[K comparable, T any] struct {
	// values is read without a lock. A number is given to another value only when
	// nobody refers to it any more. So readers that hold a reference never see
	// its value change. Growing publishes a copy.
	values atomic.Pointer[[]T]

	mu    sync.Mutex
	refs  map[K]uint32
	users []internedUse[K] // by reference
	free  []uint32
}

type internedUse[K comparable] struct {
	key   K
	count uint32
}

func newInterned[K comparable, T any]() *interned[K, T] {
	in := &interned[K, T]{refs: make(map[K]uint32), users: make([]internedUse[K], 1)}
	in.values.Store(new(make([]T, 1)))
	return in
}

// at returns the value of a counted reference.
func (in *interned[K, T]) at(ref uint32) T { return (*in.values.Load())[ref] }

// acquire returns a counted reference to the value that key identifies. Equal keys
// must identify equal values.
func (in *interned[K, T]) acquire(key K, value T) uint32 {
	in.mu.Lock()
	defer in.mu.Unlock()
	ref, ok := in.refs[key]
	if !ok {
		ref = in.add(key, value)
	}
	in.users[ref].count++
	return ref
}

// acquireText is acquire for a value that a text identifies. It does not keep text.
// If nobody has the value yet, value makes it, and may keep the copy of the text.
func acquireText[T any](in *interned[string, T], text []byte, value func(text string) T) uint32 {
	in.mu.Lock()
	defer in.mu.Unlock()
	ref, ok := in.refs[string(text)]
	if !ok {
		key := string(text)
		ref = in.add(key, value(key))
	}
	in.users[ref].count++
	return ref
}

func (in *interned[K, T]) add(key K, value T) uint32 {
	var ref uint32
	if last := len(in.free) - 1; last >= 0 {
		ref, in.free = in.free[last], in.free[:last]
		in.users[ref].key = key
		(*in.values.Load())[ref] = value
	} else {
		ref = uint32(len(in.users))
		in.users = append(in.users, internedUse[K]{key: key})
		in.values.Store(new(append(*in.values.Load(), value)))
	}
	in.refs[key] = ref
	return ref
}

// release gives a reference back. The caller must make sure that nobody can reach
// it any more.
func (in *interned[K, T]) release(ref uint32) {
	if ref == 0 {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	use := &in.users[ref]
	if use.count--; use.count > 0 {
		return
	}
	delete(in.refs, use.key)
	*use = internedUse[K]{}
	var zero T
	(*in.values.Load())[ref] = zero
	in.free = append(in.free, ref)
}
