// Package unotify has the kernel ask before it makes system calls of a thread
// or process: seccomp_unotify(2), which needs no privileges. It is for tests
// that record what reaches a disk, or let it fail.
package unotify

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Writing are the calls by which a store changes its file, or puts it on disk.
// All of them take the file first.
var Writing = []uint32{unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FDATASYNC, unix.SYS_FSYNC}

// Call is a system call that waits to be made. It is struct seccomp_notif of
// linux/seccomp.h.
type Call struct {
	ID     uint64
	Thread uint32
	_      uint32
	Number int32
	_      uint32
	_      uint64
	Args   [6]uint64
}

// File returns the path of the file that the call takes first; "" where there
// is none.
func (c *Call) File() string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.Thread, int32(c.Args[0])))
	return path
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32 // negative
	flags uint32
}

// Listen has calls of this thread told on the descriptor that it returns, and
// those of all threads and programs that this one begins. That cannot be undone,
// so the thread must be locked to its goroutine, and not be used for others.
func Listen(calls []uint32) (listener int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("prctl: %w", err)
	}
	// The number of the call is at 0 of struct seccomp_data. Nobody here makes
	// calls of another architecture.
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for i, number := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jt: uint8(len(calls) - i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// A signal to the thread, such as those of Go's scheduler, must not make the
	// kernel tell a call twice.
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return 0, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// Serve asks about each call until the descriptor stop, unless that is
// negative, can be read or is hung up, or until whoever calls is gone. What
// answer returns is what the call returns instead of being made; 0 has it made.
func Serve(listener, stop int, answer func(*Call) unix.Errno) error {
	for {
		// Receiving does not end with the process, polling does.
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			if (ready[0].Revents|ready[1].Revents)&(unix.POLLIN|unix.POLLHUP) != 0 {
				return nil
			}
			continue
		}
		var c Call
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&c)); err != nil {
			if gone(err) {
				continue
			}
			return err
		}
		r := response{id: c.ID, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := answer(&c); errno != 0 {
			r = response{id: c.ID, errno: -int32(errno)}
		}
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); err != nil && !gone(err) {
			return err
		}
	}
}

// gone reports whether the caller has ended, or was interrupted, after which it
// calls again.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) }

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
