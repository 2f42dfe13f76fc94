package keystore

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
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
		fd, err := notifyDiskCalls()
		if err != nil {
			t.Errorf("seccomp: %v", err)
			close(listener)
			return
		}
		listener <- fd
		run()
	})
	if fd, ok := <-listener; ok {
		serveDiskCalls(t, fd, int(stop.Fd()), handle)
		unix.Close(fd)
	}
	done.Wait()
}

// notifyDiskCalls puts the filter on this thread, and returns where its calls
// are told.
func notifyDiskCalls() (int, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	calls := []uint32{unix.SYS_PWRITE64, unix.SYS_FDATASYNC, unix.SYS_FSYNC, unix.SYS_FTRUNCATE}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for i, nr := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: uint8(len(calls) - i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// A signal to the thread, such as those of Go's scheduler, must not make the
	// kernel tell a call twice.
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// The structures of seccomp_unotify(2).
type (
	seccompNotif struct {
		id    uint64
		pid   uint32
		flags uint32
		nr    int32
		arch  uint32
		ip    uint64
		args  [6]uint64
	}
	seccompResponse struct {
		id    uint64
		value int64
		errno int32 // negative
		flags uint32
	}
)

const seccompContinue = 1 // the call is made

// serveDiskCalls answers until stop is closed.
func serveDiskCalls(t testing.TB, fd, stop int, handle func(diskCall) unix.Errno) {
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err == unix.EINTR {
			continue
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return
		}
		var call seccompNotif
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&call))); errno != 0 {
			continue // the call is gone
		}
		answer := seccompResponse{id: call.id, flags: seccompContinue}
		if errno := handle(diskCallOf(t, &call)); errno != 0 {
			answer.errno, answer.flags = -int32(errno), 0
		}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer))); errno != 0 {
			t.Errorf("seccomp: answering: %v", errno)
		}
	}
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

func diskCallOf(t testing.TB, n *seccompNotif) diskCall {
	c := diskCall{op: "sync"}
	c.file, _ = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", int32(n.args[0])))
	switch n.nr {
	case unix.SYS_PWRITE64:
		c.op, c.at, c.data = "write", int64(n.args[3]), readMemory(t, int64(n.args[1]), int(n.args[2]))
	case unix.SYS_FTRUNCATE:
		c.op, c.size = "resize", int64(n.args[1])
	}
	return c
}
