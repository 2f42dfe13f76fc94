package keystore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// bbolt follows what pages say without a look at where that leads. One damaged
// number, and it goes in a circle until there is no memory left, or writes over a
// page that is in use. Nothing can recover from these. So all that holds a file
// together is checked before bbolt follows it: every page of a tree is in the file,
// is of its kind, is used once, and holds what it says it does. What records say is
// not asked here: they have checksums of their own.
//
// The layout is that of bbolt's file version 2. Numbers have the order of this
// machine's bytes. A page is a header and then elements, of 16 bytes each.
const (
	pageHeader  = 16 // id uint64, kind uint16, count uint16, overflow uint32
	pageElement = 16

	pageBranch = 0x01
	pageLeaf   = 0x02
	pageFree   = 0x10

	elementBucket = 0x01 // of a leaf: the value is a bucket

	bucketHeader = 16 // root uint64, sequence uint64

	// Of a meta page.
	metaRoot     = pageHeader + 16
	metaFreelist = pageHeader + 32
	metaTx       = pageHeader + 48
	metaChecksum = pageHeader + 56
	metaLen      = pageHeader + 64

	noFreelist = 1<<64 - 1
	manyFree   = 0xffff // in place of a count: the first ID is the count
)

// readAhead is how many bytes are read at once. Pages of a tree are asked for in
// the order of the file.
const readAhead = 64 << 10

// structure is what is known of the pages of a file.
type structure struct {
	file     io.ReaderAt
	pageSize int
	high     uint64   // all pages have lower IDs
	used     []uint64 // one bit for each page, set by any of the walkers
	toChange bool     // what only changes rely on is checked as well
}

// walker is one of those who read the pages at once.
type walker struct {
	*structure
	start  int64 // where in the file the buffer begins
	buffer []byte
	key    []byte
}

// subtree is a page and all below it.
type subtree struct {
	root     uint64
	from, to []byte // the first key, and one that is greater than all; or nil
}

// element is one of a leaf or branch.
type element struct {
	kind     uint32 // of a leaf
	child    uint64 // of a branch
	key      []byte // valid until the next is read
	value    int64  // where it is in the file
	valueLen int
}

// checkStructure checks the pages that tx can reach. If the file is to be changed,
// it also checks what only changes rely on: the order of keys, and that what is said
// to be free is not in use. An error about the content wraps [ErrDamaged] and says
// what to do.
func checkStructure(tx *bolt.Tx, file io.ReaderAt, toChange bool) error {
	pageSize := tx.DB().Info().PageSize
	s := &structure{file: file, pageSize: pageSize, high: uint64(tx.Size()) / uint64(pageSize), toChange: toChange}
	s.used = make([]uint64, s.high/64+1)
	s.use(0, 2)
	w := walker{structure: s}
	err := w.check(uint64(tx.ID()))
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrDamaged):
		return fmt.Errorf("reading its pages: %w", err)
	case toChange && checkStructure(tx, file, false) == nil:
		return fmt.Errorf("%w; %s", err, adviceUnchangeable)
	}
	return fmt.Errorf("%w; %s", err, adviceDamaged)
}

func (w *walker) check(tx uint64) error {
	root, free, err := w.meta(tx)
	if err == nil {
		err = w.trees(root)
	}
	if err == nil && w.toChange && free != noFreelist {
		err = w.free(free)
	}
	return err
}

// meta returns what the meta page of a transaction says. It may be either: a backup
// has the last in the first.
func (w *walker) meta(tx uint64) (root, free uint64, err error) {
	for page := range int64(2) {
		meta, err := w.read(page*int64(w.pageSize), metaLen)
		if err != nil {
			return 0, 0, err
		}
		sum := fnv.New64a()
		sum.Write(meta[pageHeader:metaChecksum])
		if number64(meta[metaTx:]) == tx && number64(meta[metaChecksum:]) == sum.Sum64() {
			return number64(meta[metaRoot:]), number64(meta[metaFreelist:]), nil
		}
	}
	return 0, 0, damagedAt("no page is that of the change %d", tx)
}

// trees checks the tree with the root given, and those of the buckets in it. It
// goes down by levels.
func (s *structure) trees(root uint64) (err error) {
	for level := []subtree{{root: root}}; len(level) > 0 && err == nil; {
		slices.SortFunc(level, func(a, b subtree) int { return cmp.Compare(a.root, b.root) })
		level, err = s.level(level)
	}
	return err
}

// level checks the first pages of subtrees, and returns the subtrees below them. Of
// the last level, which has nearly all pages, each processor reads a part.
func (s *structure) level(level []subtree) (next []subtree, err error) {
	const least = 256 // subtrees of a part
	parts := slices.Collect(slices.Chunk(level, max(least, len(level)/runtime.GOMAXPROCS(0)+1)))
	below, failed := make([][]subtree, len(parts)), make([]error, len(parts))
	var walkers sync.WaitGroup
	for i, part := range parts {
		walkers.Go(func() {
			w := walker{structure: s}
			for _, t := range part {
				if below[i], failed[i] = w.page(t, below[i]); failed[i] != nil {
					return
				}
			}
		})
	}
	walkers.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(below...), nil
}

// page checks the first page of a subtree, and appends the subtrees below it.
func (w *walker) page(t subtree, next []subtree) ([]subtree, error) {
	at, size, kind, count, err := w.header(t.root)
	if err != nil {
		return nil, err
	}
	if kind != pageLeaf && kind != pageBranch || kind == pageBranch && count == 0 {
		return nil, damagedAt("page %d, of a tree, is of kind %#x and has %d elements", t.root, kind, count)
	}
	if count == 0 && t.from != nil {
		return nil, damagedAt("page %d is empty", t.root)
	}
	first := len(next)
	var buckets []element
	err = w.elements(at, size, kind, count, t.from, t.to, func(e element) {
		switch {
		case kind == pageLeaf && e.kind == elementBucket:
			buckets = append(buckets, e)
		case kind == pageBranch && !w.toChange:
			next = append(next, subtree{root: e.child})
		case kind == pageBranch:
			from := bytes.Clone(e.key)
			if len(next) > first {
				next[len(next)-1].to = from
			}
			next = append(next, subtree{e.child, from, t.to})
		}
	})
	for _, e := range buckets {
		var root uint64
		if err == nil {
			root, err = w.bucket(e)
		}
		if root != 0 {
			next = append(next, subtree{root: root})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w, in page %d", err, t.root)
	}
	return next, nil
}

// elements checks those of a page of a tree, which is at a place of the file, and
// yields them.
func (w *walker) elements(at int64, size int, kind uint16, count int, from, to []byte, yield func(element)) error {
	w.key = w.key[:0]
	for i := range count {
		begins := pageHeader + i*pageElement
		head, err := w.read(at+int64(begins), pageElement)
		if err != nil {
			return err
		}
		var e element
		var pos, keyLen uint32
		if kind == pageBranch {
			pos, keyLen, e.child = number32(head), number32(head[4:]), number64(head[8:])
		} else {
			e.kind, pos, keyLen, e.valueLen = number32(head), number32(head[4:]), number32(head[8:]), int(number32(head[12:]))
		}
		key := uint64(begins) + uint64(pos)
		if e.kind&^elementBucket != 0 || keyLen == 0 || keyLen > bolt.MaxKeySize || e.valueLen < 0 || e.valueLen > bolt.MaxValueSize ||
			key < uint64(pageHeader+count*pageElement) || key+uint64(keyLen)+uint64(e.valueLen) > uint64(size) {
			return damagedAt("element %d is not what its page has room for", i)
		}
		e.value = at + int64(key) + int64(keyLen)
		if !w.toChange {
			yield(e)
			continue
		}
		if e.key, err = w.read(at+int64(key), int(keyLen)); err != nil {
			return err
		}
		if i > 0 && bytes.Compare(e.key, w.key) <= 0 || i == 0 && from != nil && !bytes.Equal(e.key, from) || to != nil && bytes.Compare(e.key, to) >= 0 {
			return damagedAt("element %d is out of order", i)
		}
		w.key = append(w.key[:0], e.key...)
		yield(e)
	}
	return nil
}

// bucket checks one, and returns its root, or 0 if its only page is in it.
func (w *walker) bucket(e element) (root uint64, err error) {
	head, err := w.read(e.value, min(e.valueLen, bucketHeader+pageHeader))
	if err != nil {
		return 0, err
	}
	if len(head) >= bucketHeader {
		if root := number64(head); root != 0 {
			return root, nil
		}
	}
	if len(head) < bucketHeader+pageHeader {
		return 0, damagedAt("a bucket has only %d bytes", len(head))
	}
	page := head[bucketHeader:]
	id, kind, count, more := number64(page), number16(page[8:]), int(number16(page[10:])), number32(page[12:])
	size := e.valueLen - bucketHeader
	if id != 0 || more != 0 || kind != pageLeaf || pageHeader+count*pageElement > size {
		return 0, damagedAt("the page of a bucket has the number %d, is of kind %#x and has %d elements", id, kind, count)
	}
	nested := false
	err = w.elements(e.value+bucketHeader, size, kind, count, nil, nil, func(e element) {
		nested = nested || e.kind == elementBucket
	})
	if nested {
		err = damagedAt("a bucket is in the page of another")
	}
	return 0, err
}

// free checks the list of free pages: none of them may be in use.
func (w *walker) free(id uint64) error {
	at, size, kind, count, err := w.header(id)
	if err != nil {
		return err
	}
	if kind != pageFree {
		return damagedAt("page %d, of free pages, is of kind %#x", id, kind)
	}
	at += pageHeader
	room := (size - pageHeader) / 8
	listed := uint64(count)
	if count == manyFree {
		first, err := w.read(at, 8)
		if err != nil {
			return err
		}
		at, room, listed = at+8, room-1, number64(first)
	}
	if listed > uint64(room) {
		return damagedAt("page %d has no room for %d free pages", id, listed)
	}
	for ; listed > 0; listed-- {
		free, err := w.read(at, 8)
		if err != nil {
			return err
		}
		if !w.use(number64(free), 1) {
			return damagedAt("page %d is said to be free", number64(free))
		}
		at += 8
	}
	return nil
}

// header returns where a page is, how many bytes it has, and what its header says.
// It marks the page as used.
func (w *walker) header(id uint64) (at int64, size int, kind uint16, count int, err error) {
	if id >= w.high {
		return 0, 0, 0, 0, damagedAt("page %d is asked for, of %d", id, w.high)
	}
	at = int64(id) * int64(w.pageSize)
	head, err := w.read(at, w.pageSize)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	kind, count = number16(head[8:]), int(number16(head[10:]))
	pages := uint64(number32(head[12:])) + 1
	if itself := number64(head); itself != id {
		return 0, 0, 0, 0, damagedAt("page %d says that it is %d", id, itself)
	}
	if !w.use(id, pages) {
		return 0, 0, 0, 0, damagedAt("page %d is used twice, or has %d pages of %d", id, pages, w.high)
	}
	size = int(pages) * w.pageSize
	if kind != pageFree && pageHeader+count*pageElement > size {
		return 0, 0, 0, 0, damagedAt("page %d has no room for %d elements", id, count)
	}
	_, err = w.read(at, min(size, readAhead)) // so that the page is not read piece by piece
	return at, size, kind, count, err
}

// use marks pages as used, and reports whether they are of the file and were not
// used before.
func (s *structure) use(id, pages uint64) bool {
	if id >= s.high || pages > s.high-id {
		return false
	}
	for last := id + pages; id < last; id++ {
		bit := uint64(1) << (id % 64)
		if atomic.OrUint64(&s.used[id/64], bit)&bit != 0 {
			return false
		}
	}
	return true
}

// read returns n bytes of the file from at on. They are valid until the next call.
func (w *walker) read(at int64, n int) ([]byte, error) {
	if from := at - w.start; from >= 0 && from+int64(n) <= int64(len(w.buffer)) {
		return w.buffer[from:][:n], nil
	}
	return w.fill(at, n)
}

func (w *walker) fill(at int64, n int) ([]byte, error) {
	w.start, w.buffer = at, slices.Grow(w.buffer[:0], max(n, readAhead))[:max(n, readAhead)]
	got, err := w.file.ReadAt(w.buffer, at)
	w.buffer = w.buffer[:got]
	if got < n {
		return nil, err
	}
	return w.buffer[:n], nil
}

func damagedAt(what string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(what, args...))
}

func number16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func number32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func number64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }
