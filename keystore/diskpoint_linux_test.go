//go:build !386 && !arm && !mips && !mipsle

package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/apikey"
)

// diskPoint is where a change fails: at one of its calls, of which the system
// did a part before it said no.
type diskPoint struct {
	call int // the number of the call, from 0
	diskCall
	done  int // bytes of a write that are in the file; of a resize, 1: it is done
	grows bool
	errno unix.Errno
}

func (p *diskPoint) String() string {
	return fmt.Sprintf("%s of call %d, %s at %d, %d done", unix.ErrnoName(p.errno), p.call, p.op, p.at, p.done)
}

// make does of a call as much as the point says.
func (p *diskPoint) make(t *testing.T, call diskCall) {
	t.Helper()
	if p.done == 0 {
		return
	}
	f, err := os.OpenFile(call.file, os.O_WRONLY, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if call.op == "resize" {
		err = f.Truncate(call.size)
	} else {
		_, err = f.WriteAt(call.data[:p.done], call.at)
	}
	if err != nil {
		t.Error(err)
	}
}

// pointsOf are the points at which a change can fail, of its calls as they are
// made on a sound disk. Of many pages in a row the first and the last will do.
func pointsOf(calls []diskCall) (points []diskPoint) {
	grows := len(calls) > 0 && calls[0].op == "resize"
	for i, c := range calls {
		p := diskPoint{call: i, diskCall: c, grows: grows && i < 2, errno: unix.ENOSPC}
		done := []int{0}
		switch {
		case c.op == "resize":
			done = []int{0, 1}
		case c.op == "write" && i > 2 && i < len(calls)-4: // before the last page, a sync, the meta page and a sync
			continue
		case c.op == "write" && i != len(calls)-2:
			done = []int{0, len(c.data) / 2, len(c.data)}
		case c.op == "write":
			// The meta page says which transaction is in force in its bytes 16 to 80.
			done = []int{0, 1, 16, 40, 72, 79, 80, 512, len(c.data) - 1, len(c.data)}
		}
		for _, p.done = range done {
			points = append(points, p)
		}
		if c.op == "sync" {
			p.errno = unix.EIO
			points = append(points, p)
		}
	}
	return points
}

// onDisk returns what is in a store file for everybody who opens it now.
func onDisk(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(copied, content, 0o600); err != nil {
		t.Fatal(err)
	}
	b := openTest(t, copied)
	defer b.Close()
	if _, err := b.Check(func(name string, err error) { t.Errorf("on disk: %s: %v", name, err) }); err != nil {
		t.Error(err)
	}
	return contentOf(t, b)
}

// TestToldAsItIs fails changes wherever bbolt may fail. What is on disk is never
// told as not written, and what is not on disk never as written; and where the
// disk only had no room, the next change is made.
func TestToldAsItIs(t *testing.T) {
	newStore := limitedStore(t)
	var many []apikey.Key
	for n := range 500 { // more than a file grows by at once
		k := testKey(t)
		k.ID, k.Description = numberedID(1000+n), strings.Repeat("x", 1000)
		many = append(many, k)
	}
	changes := append(changesUnderTest(t)[:1], changeUnderTest{
		name:   "create many",
		change: func(b *Bolt) error { return b.CreateAll(many, testActor, nil) },
		denied: func(b *Bolt) bool { _, ok, _ := b.Lookup(many[0].ID); return !ok },
	})
	for _, c := range changes {
		sound := newStore(t)
		b := openTest(t, sound)
		before := contentOf(t, b)
		var calls []diskCall
		withDisk(t, func(call diskCall) unix.Errno { calls = append(calls, call); return 0 }, func() {
			if err := c.change(b); err != nil {
				t.Error(err)
			}
		})
		after := contentOf(t, b)
		b.Close()
		if meta := calls[len(calls)-2]; meta.op != "write" || meta.at > int64(os.Getpagesize()) {
			t.Fatalf("the last write but a sync is at %d, and no meta page", meta.at)
		}
		if c.name == "create many" && calls[0].op != "resize" {
			t.Fatal("the file did not grow")
		}
		var whole atomic.Int64
		for _, p := range pointsOf(calls) {
			t.Run(fmt.Sprintf("%s/%s", c.name, &p), func(t *testing.T) {
				t.Parallel()
				path := newStore(t)
				b := openTest(t, path)
				n := 0
				var err error
				withDisk(t, func(call diskCall) unix.Errno {
					if n++; n-1 != p.call {
						return 0
					}
					p.make(t, call)
					return p.errno
				}, func() { err = c.change(b) })
				shown := onDisk(t, path)
				written := reflect.DeepEqual(shown, after)
				if !written && !reflect.DeepEqual(shown, before) {
					t.Fatal("the change is there in part")
				}
				if written {
					whole.Add(1)
				}
				unknown := written || p.op == "sync" && (!p.grows || p.errno != unix.ENOSPC)
				switch {
				case err == nil:
					t.Fatal("no error")
				case errors.Is(err, ErrUnknownOutcome) != unknown, errors.Is(err, ErrNotWritten) == unknown:
					t.Fatalf("it is on disk: %t; but %v", written, err)
				case !c.denied(b) && unknown:
					t.Error("what may have been taken away is not denied")
				}
				if unknown {
					if err := b.Writable(); !errors.Is(err, ErrReadOnly) {
						t.Errorf("writable: %v", err)
					}
					return
				}
				if got := contentOf(t, b); !reflect.DeepEqual(got, before) {
					t.Error("something has changed")
				}
				if err := b.Writable(); !errors.Is(err, ErrNotWritten) {
					t.Errorf("writable: %v", err)
				}
				if err := c.change(b); err != nil { // there is room again
					t.Fatal(err)
				}
				if err := b.Writable(); err != nil {
					t.Error(err)
				}
				b.Close()
				if !reflect.DeepEqual(onDisk(t, path), after) {
					t.Error("the second time, it is not on disk")
				}
			})
		}
		t.Cleanup(func() {
			if whole.Load() == 0 {
				t.Errorf("%s: no failure left it on disk: the test finds little", c.name)
			}
		})
	}
}

// TestToldWhereNothingCanBeRead cuts the file while its last page is written:
// nobody knows then what it has.
func TestToldWhereNothingCanBeRead(t *testing.T) {
	path := limitedStore(t)(t)
	b := openTest(t, path)
	c := changesUnderTest(t)[0]
	withDisk(t, func(call diskCall) unix.Errno {
		if call.op != "write" || call.at > int64(os.Getpagesize()) {
			return 0
		}
		if err := os.Truncate(path, 100); err != nil {
			t.Error(err)
		}
		return unix.ENOSPC
	}, func() {
		if err := c.change(b); !errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrNotWritten) {
			t.Errorf("%v; want ErrUnknownOutcome", err)
		}
	})
	if !c.denied(b) {
		t.Error("what may have been taken away is not denied")
	}
}
