package keystore

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/internal/unotify"
)

// diskCall is a system call that changes a file, or puts it on disk.
type diskCall struct {
	op   string // write, resize or sync
	file string
	at   int64
	data []byte // what is written at at
	size int64  // what the file is resized to
}

// withDisk calls run on a thread of its own, of which every diskCall first goes
// to handle: an error is what the system call returns instead of being made.
// The kernel hands them over by seccomp's user notification, which needs no
// privileges. Calls of other goroutines are not seen; bbolt makes its own on
// the goroutine that uses it.
func withDisk(t testing.TB, handle func(diskCall) unix.Errno, run func()) {
	t.Helper()
	stop, stopped, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stop.Close()
	listener := make(chan int)
	var done sync.WaitGroup
	done.Go(func() {
		defer stopped.Close()
		// Without an unlock the thread is never used again, and its filter, which
		// cannot be taken off, does no harm.
		runtime.LockOSThread()
		fd, err := unotify.Listen(unotify.Writing)
		if err != nil {
			t.Error(err)
			close(listener)
			return
		}
		listener <- fd
		run()
	})
	if fd, ok := <-listener; ok {
		err := unotify.Serve(fd, int(stop.Fd()), func(c *unotify.Call) unix.Errno { return handle(diskCallOf(t, c)) })
		if err != nil {
			t.Errorf("answering for the kernel: %v", err)
		}
		unix.Close(fd)
	}
	done.Wait()
}

// readMemory reads what a thread of this process is about to write. It waits in
// the call, so that its buffer stays where it is; that is nothing that the race
// detector could know, so the kernel reads it.
func readMemory(t testing.TB, at int64, length int) []byte {
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Error(err)
		return nil
	}
	defer memory.Close()
	data := make([]byte, length)
	if _, err := memory.ReadAt(data, at); err != nil {
		t.Error(err)
	}
	return data
}

func diskCallOf(t testing.TB, call *unotify.Call) diskCall {
	c := diskCall{op: "sync", file: call.File()}
	switch call.Number {
	case unix.SYS_PWRITE64:
		c.op, c.at, c.data = "write", int64(call.Args[3]), readMemory(t, int64(call.Args[1]), int(call.Args[2]))
	case unix.SYS_FTRUNCATE:
		c.op, c.size = "resize", int64(call.Args[1])
	}
	return c
}
