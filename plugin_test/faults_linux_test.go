package plugin_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// faults are what a test does to the disk of a gateway: chosen system calls on
// its store fail, all others run. The gateway is stopped in those calls by
// seccomp, and the test answers for the kernel: seccomp_unotify(2).
type faults struct {
	store string // absolute path, without symbolic links

	mu    sync.Mutex
	calls []uintptr // fail with err
	after int       // so many of them run before that
	err   unix.Errno
	hits  int // how many failed
}

// What can be made to fail: all that a store writes with.
var faultyCalls = []uintptr{unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FDATASYNC, unix.SYS_FSYNC}

// fail lets the calls fail from now on, after so many that do not.
func (f *faults) fail(err unix.Errno, after int, calls ...uintptr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.after, f.err = calls, after, err
}

// mend ends what fail began, and fails the test if no call came to it.
func (f *faults) mend(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hits == 0 {
		t.Error("no system call of the gateway failed")
	}
	f.calls, f.hits = nil, 0
}

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id    uint64
	tid   uint32
	flags uint32
	call  int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// verdict is struct seccomp_notif_resp.
type verdict struct {
	id    uint64
	value int64
	err   int32 // negative
	flags uint32
}

func (f *faults) judge(n *notification) verdict {
	// The target of the link: the calls all take the file first.
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.tid, int32(n.args[0])))
	f.mu.Lock()
	defer f.mu.Unlock()
	if path == f.store && slices.Contains(f.calls, uintptr(n.call)) {
		if f.after--; f.after < 0 {
			f.hits++
			return verdict{id: n.id, err: -int32(f.err)}
		}
	}
	return verdict{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
}

// answer judges calls until the process is gone.
func (f *faults) answer(listener int) error {
	for {
		// Receiving does not end with the process, polling does.
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		switch {
		case ready[0].Revents&unix.POLLIN != 0:
		case ready[0].Revents&unix.POLLHUP != 0:
			return nil
		default:
			continue
		}
		var n notification
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			if gone(err) {
				continue
			}
			return err
		}
		v := f.judge(&n)
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&v)); err != nil && !gone(err) {
			return err
		}
	}
}

// gone reports whether the caller has ended or was interrupted, after which it
// calls again.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) }

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// faultsEnv makes this test binary run its arguments as a command whose system
// calls can be made to fail. It hands the listener over on file descriptor 3.
const faultsEnv = "KEYGATE_TEST_FAULTS"

// It is done in init as that runs in the main thread, which the filter is for.
// What is executed from there has it in all its threads.
func init() {
	if os.Getenv(faultsEnv) == "" {
		return
	}
	err := execFiltered(os.Args[1:], slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, faultsEnv+"=") }))
	fmt.Fprintln(os.Stderr, "running a command with faults:", err)
	os.Exit(2)
}

// execFiltered returns only where it fails.
func execFiltered(argv, env []string) error {
	// The number of the call is at 0 of struct seccomp_data. Nobody here makes
	// calls of another architecture.
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for i, call := range faultyCalls {
		toNotify := len(faultyCalls) - i
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(call), Jt: uint8(toNotify)})
	}
	program = append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	const socket = 3
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return fmt.Errorf("sending the listener: %w", err)
	}
	unix.CloseOnExec(socket)
	return syscall.Exec(argv[0], argv, env)
}

// startWithFaults starts a gateway that is stopped, on a store that exists.
// Once it is stopped again it starts without faults.
func (g *gateway) startWithFaults(t testing.TB) *faults {
	t.Helper()
	store, err := filepath.EvalSymlinks(filepath.Join(g.Dir, "data", "keygate.db"))
	if err != nil {
		t.Fatal(err)
	}
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()
	f := &faults{store: store}
	go func() {
		if err := f.serve(pair[0]); err != nil {
			t.Errorf("answering for the kernel: %v", err)
		}
	}()
	g.wrap = func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = test, append([]string{test}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Env = append(slices.Clone(cmd.Env), faultsEnv+"=1")
		cmd.ExtraFiles = []*os.File{theirs}
	}
	defer func() { g.wrap = nil }()
	g.start(t)
	// What the start has to write, in the background too, comes before this.
	if resp := g.create(t); resp.Status != 201 {
		t.Fatalf("create: %d %s", resp.Status, resp.Body)
	}
	return f
}

// serve receives the listener and answers what comes from it.
func (f *faults) serve(socket int) error {
	defer unix.Close(socket)
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return err
	}
	if len(messages) != 1 {
		return errors.New("no listener came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	defer unix.Close(fds[0])
	return f.answer(fds[0])
}
