package plugin_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/internal/unotify"
)

// faults are what a test does to the disk of a gateway: chosen system calls on
// its store fail, all others run. The gateway is stopped in those calls by
// seccomp, and the test answers for the kernel: seccomp_unotify(2).
type faults struct {
	store string // absolute path, without symbolic links

	mu    sync.Mutex
	calls []uint32 // fail with err
	after int      // so many of them run before that
	err   unix.Errno
	hits  int // how many failed

	held chan struct{} // unless nil, no call on the store returns until it is closed
}

// hold lets every call on the store hang until it is released.
func (f *faults) hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := make(chan struct{})
	f.held = held
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held = nil
		close(held)
	})
}

// fail lets the calls fail from now on, after so many that do not.
func (f *faults) fail(err unix.Errno, after int, calls ...uint32) {
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

// judge answers for the kernel.
func (f *faults) judge(call *unotify.Call) unix.Errno {
	path := call.File()
	f.mu.Lock()
	if held := f.held; held != nil && path == f.store {
		f.mu.Unlock()
		<-held
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if path == f.store && slices.Contains(f.calls, uint32(call.Number)) {
		if f.after--; f.after < 0 {
			f.hits++
			return f.err
		}
	}
	return 0
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
	listener, err := unotify.Listen(unotify.Writing)
	if err != nil {
		return err
	}
	const socket = 3
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
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
	return unotify.Serve(fds[0], -1, f.judge)
}
