package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestStructureOfEveryDamage gives every number that the pages of a file are held
// together by, to other pages and to what is in them, the values that lead
// elsewhere: back to a page before, to one that is free, out of the page or the
// file. Whatever is read of such a file must end, and whatever opens for writing
// must take changes without losing what verified before.
func TestStructureOfEveryDamage(t *testing.T) {
	path := writeStore(t, 30)
	editFile(t, path, func(tx *bolt.Tx) error { // leaves pages that are free
		for i := range 20 {
			if err := tx.Bucket(bucketMeta).Put(fmt.Appendf(nil, "test-%d", i), make([]byte, 3000)); err != nil {
				return err
			}
		}
		return nil
	})
	editFile(t, path, func(tx *bolt.Tx) error {
		for i := range 20 {
			if err := tx.Bucket(bucketMeta).Delete(fmt.Appendf(nil, "test-%d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyFile(path); err != nil {
		t.Fatal(err)
	}
	high := uint64(usedSize(t, path)) / uint64(os.Getpagesize())
	whole = whole[:high*uint64(os.Getpagesize())] // without room to grow
	numbers, values := numbersOf(whole, high)
	endsInBounds(t)

	damagedPath := filepath.Join(t.TempDir(), "keygate.db")
	each := 7 // of so many damages one is tried, of each number and each value
	if os.Getenv("KEYGATE_LONG") != "" {
		each = 1
	}
	opened, refused, read := 0, 0, 0
	for i, number := range numbers {
		for j, value := range values {
			if (i+j)%each != 0 {
				continue
			}
			damaged := bytes.Clone(whole)
			if !number.set(damaged, value) {
				continue
			}
			if err := os.WriteFile(damagedPath, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s = %#x", number.name, value)
			underDamage.Store(&what)
			_, before := VerifyFile(damagedPath)
			b, err := OpenBolt(damagedPath)
			if err != nil {
				if refused++; !errors.Is(err, ErrDamaged) && !errors.Is(err, errNotAStore) {
					t.Errorf("%s: %v; want ErrDamaged", what, err)
				}
				if before == nil {
					t.Errorf("%s: verified, but not opened: %v", what, err)
				}
				r, readable := ReadBolt(damagedPath)
				if strings.Contains(err.Error(), adviceUnchangeable) != (readable == nil) {
					t.Errorf("%s: %v; reading it: %v", what, err, readable)
				}
				if readable == nil {
					read++
					r.Close()
				}
				continue
			}
			opened++
			b.db.NoSync = true // no test of the disk
			k := testKey(t)
			for i := range 3 {
				k.ID = numberedID(900 + i)
				if err := b.Create(k, testActor); err != nil && before == nil {
					t.Errorf("%s: create: %v", what, err)
				}
			}
			mustEnd(t, what+": close", func() { b.Close() })
			if _, after := VerifyFile(damagedPath); before == nil && after != nil {
				t.Errorf("%s: verified, and after changes: %v", what, after)
			}
		}
	}
	if opened == 0 || refused == 0 || read == 0 {
		t.Errorf("%d opened, %d refused, of which %d can be read; want some of each", opened, refused, read)
	}
}

// number is one that holds a file together.
type number struct {
	name string
	at   int // in the file
	size int // in bytes
}

// set gives the number a value, unless it has it or cannot have it.
func (n number) set(file []byte, value uint64) bool {
	var word [8]byte
	binary.NativeEndian.PutUint64(word[:], value)
	if value>>(8*n.size-1)>>1 != 0 || bytes.Equal(file[n.at:n.at+n.size], word[:n.size]) {
		return false
	}
	copy(file[n.at:], word[:n.size])
	return true
}

// numbersOf returns the numbers of the pages below high: those of their headers, and
// of their first and last elements. values are such as may lead elsewhere.
func numbersOf(file []byte, high uint64) (numbers []number, values []uint64) {
	values = []uint64{0, 1, high - 1, high, 0x7fff, 0xffff, 1<<31 - 1, 1<<32 - 1, 1 << 33, 1<<63 - 1, 1<<64 - 1}
	numbersAt := func(name string, at int, names string, sizes ...int) {
		for i, field := range strings.Fields(names) {
			numbers = append(numbers, number{name + " " + field, at, sizes[i]})
			at += sizes[i]
		}
	}
	numberAt := func(at, size int) int {
		var word [8]byte
		copy(word[:], file[at:at+size])
		return int(binary.NativeEndian.Uint64(word[:]))
	}
	var page func(name string, at int)
	page = func(name string, at int) {
		numbersAt(name, at, "id flags count overflow", 8, 2, 2, 4)
		flags, count := numberAt(at+8, 2), numberAt(at+10, 2)
		for _, i := range slices.Compact([]int{0, count - 1}) {
			element := at + pageHeader + pageElement*i
			name := fmt.Sprintf("%s, of element %d:", name, i)
			switch {
			case count == 0:
			case flags == pageBranch:
				numbersAt(name, element, "pos ksize page", 4, 4, 8)
			case flags == pageLeaf:
				numbersAt(name, element, "flags pos ksize vsize", 4, 4, 4, 4)
				if numberAt(element, 4) == elementBucket {
					value := element + numberAt(element+4, 4) + numberAt(element+8, 4)
					numbersAt(name+" bucket", value, "root", 8)
					if numberAt(value, 8) == 0 {
						page(name+" inline", value+bucketHeader)
					}
				}
			case flags == pageFree:
				numbersAt(name, at+pageHeader+8*i, "free", 8)
				values = append(values, uint64(numberAt(at+pageHeader+8*i, 8)))
			}
		}
		if flags != pageLeaf {
			values = append(values, uint64(numberAt(at, 8)))
		}
	}
	for id := uint64(2); id < high; id++ {
		page(fmt.Sprintf("page %d", id), int(id)*os.Getpagesize())
	}
	slices.Sort(values)
	return numbers, slices.Compact(values)
}

// patience is how long a test waits for what has to come.
const patience = 90 * time.Second

// mustEnd fails the test if fn goes on for so long: what waits for a lock that
// nobody releases cannot be ended otherwise.
func mustEnd(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not end", what)
	}
}

// underDamage is what endsInBounds says if it ends the process.
var underDamage atomic.Pointer[string]

// endsInBounds ends the process if it takes much more memory than now: what never
// ends cannot be ended otherwise. The test must be the only one that runs.
func endsInBounds(t *testing.T) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.HeapAlloc + stats.StackInuse
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				if runtime.ReadMemStats(&stats); stats.HeapAlloc+stats.StackInuse > before+256<<20 {
					fmt.Printf("FAIL: with %s, reading takes %d MB, and does not end\n", *underDamage.Load(), (stats.HeapAlloc+stats.StackInuse)>>20)
					os.Exit(1)
				}
			}
		}
	}()
}
