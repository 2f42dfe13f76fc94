package listening

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestMain is also the other process: one that listens where it is told, as
// Caddy does, until its input ends.
func TestMain(m *testing.M) {
	if addresses := os.Getenv("LISTEN"); addresses != "" {
		for address := range strings.FieldsSeq(addresses) {
			network, host, _ := strings.Cut(address, "=")
			if network == "unix" {
				_ = os.Remove(host)
			}
			l, err := shares.Listen(context.Background(), network, host)
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println(l.Addr())
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false)
			}
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// other starts another process that listens on the addresses, such as
// tcp=127.0.0.1:0, and returns its PID, where it listens, and what ends it.
func other(t *testing.T, addresses ...string) (pid int, at []string, end func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "LISTEN="+strings.Join(addresses, " "))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for range addresses {
		if !lines.Scan() {
			t.Fatal("the other process does not listen")
		}
		at = append(at, lines.Text())
	}
	end = func() {
		stdin.Close()
		_ = cmd.Wait()
	}
	t.Cleanup(end)
	return cmd.Process.Pid, at, end
}

func tcpAt(t *testing.T, at string) Address {
	t.Helper()
	address, err := netip.ParseAddrPort(at)
	if err != nil {
		t.Fatal(err)
	}
	return Address{TCP: address}
}

func TestMeets(t *testing.T) {
	at := func(s string) Address { return Address{TCP: netip.MustParseAddrPort(s)} }
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{"127.0.0.1:80", "[::]:80", true},
		{"127.0.0.1:80", "[::1]:80", false},
		{"[::1]:80", "[::]:80", true},
		{"[::1]:80", "0.0.0.0:80", false},
		{"0.0.0.0:80", "[::]:80", true},
		{"[::]:80", "[::]:80", true},
		{"[::]:80", "[::]:81", false},
	} {
		if at(test.a).meets(at(test.b)) != test.want || at(test.b).meets(at(test.a)) != test.want {
			t.Errorf("%s and %s: want %t", test.a, test.b, test.want)
		}
	}
	if (Address{Path: "/a"}).meets(Address{Path: "/a"}) || (Address{Path: "/a"}).meets(at("[::]:0")) {
		t.Error("a Unix socket meets something")
	}
}

func TestCheckFindsOtherProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b.sock")
	link := strings.ReplaceAll(path, " ", "_")
	pid, at, end := other(t, "tcp=127.0.0.1:0", "tcp=[::]:0", "unix="+link)
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, second := tcpAt(t, at[0]), tcpAt(t, at[1])
	taken := map[string]Address{
		"a port":                  first,
		"a port of all addresses": {TCP: netip.AddrPortFrom(netip.IPv6Unspecified(), first.TCP.Port())},
		"a port of IPv4":          {TCP: netip.AddrPortFrom(netip.IPv4Unspecified(), first.TCP.Port())},
		"one of all addresses":    {TCP: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), second.TCP.Port())},
		"a socket":                {Path: link},
	}
	for name, address := range taken {
		found, ok := errors.AsType[*TakenError](Check([]Address{address}))
		if !ok || found.PID != pid || found.Address != address {
			t.Errorf("%s: %+v, want process %d", name, found, pid)
		}
	}
	if err := Check([]Address{{TCP: netip.MustParseAddrPort("127.0.0.9:1")}, first}); err == nil {
		t.Error("the second address is not looked at")
	}
	for name, address := range map[string]Address{
		"another address":       {TCP: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), first.TCP.Port())},
		"one of this process":   tcpAt(t, own.Addr().String()),
		"a socket that is none": {Path: path},
	} {
		if err := Check([]Address{address}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	end()
	for name, address := range taken {
		if err := Check([]Address{address}); err != nil {
			t.Errorf("%s, after the process has ended: %v", name, err)
		}
	}
}

func TestTCP(t *testing.T) {
	for _, test := range []struct {
		host string
		port uint
		want string
	}{
		{"", 80, "[[::]:80]"},
		{"127.0.0.1", 80, "[127.0.0.1:80]"},
		{"::1", 80, "[[::1]:80]"},
		{"localhost", 80, "[127.0.0.1:80]"},
		{"", 0, "[]"},
		{"", 65536, "[]"},
		{"no host", 80, "[]"},
	} {
		if got := fmt.Sprint(TCP(test.host, test.port)); got != test.want {
			t.Errorf("%s, %d: %s, want %s", test.host, test.port, got, test.want)
		}
	}
}

// The tables of the kernel, as they may be.
func TestTables(t *testing.T) {
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0
   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0
   3: XY:0051 0:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0
   4: 0100007F:0052 0100007F:0053 01 00000000:00000000 00:00000000 00000000     0        0 15 1 0
   5: 0100007F:0054 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16 1 0
`
	inodes := func(found []listener) string {
		var all []string
		for _, l := range found {
			all = append(all, fmt.Sprintf("%d %s", l.inode, l))
		}
		return strings.Join(all, ", ")
	}
	if got := inodes(readTCP(strings.NewReader(tcp))); got != "11 127.0.0.1:8080, 12 [::1]:80, 13 127.0.0.1:81" {
		t.Errorf("TCP: %s", got)
	}
	const sockets = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 21 /run/a.sock
0000000000000000: 00000002 00000000 00010000 0001 01   22 /run/a folder/b.sock
0000000000000000: 00000002 00000000 00010000 0001 01 23 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03 24 /run/a.sock
0000000000000000: 00000002 00000000 00010000 0005 01 25 /run/packets.sock
0000000000000000: 00000002 00000000 00010000 0001 01 26
0000000000000000: 00000002 00000000 00010000 0001 01 x /run/c.sock
`
	if got := inodes(readUnix(strings.NewReader(sockets))); got != "21 /run/a.sock, 22 /run/a folder/b.sock" {
		t.Errorf("Unix: %s", got)
	}
}

// watched is a watch that looks when it is told to, on a socket of this process.
func watched(t *testing.T) (w *Watch, path string, l *net.UnixListener, logs *observer.ObservedLogs) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "admin.sock")
	l = listenAt(t, path)
	core, logs := observer.New(zap.InfoLevel)
	w = newWatch(zap.New(core), false)
	t.Cleanup(w.drop)
	w.Look()
	return w, path, l, logs
}

func listenAt(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return l
}

// wantReached fails the test unless the path leads to this process.
func wantReached(t *testing.T, path string) {
	t.Helper()
	if pid, ok := accepterOf(path); !ok || pid != os.Getpid() {
		t.Errorf("%s leads to process %d, %t", path, pid, ok)
	}
}

func wantLogged(t *testing.T, logs *observer.ObservedLogs, words ...string) {
	t.Helper()
	entries := logs.TakeAll()
	if len(entries) != len(words) {
		t.Errorf("%d lines are logged, want %d: %v", len(entries), len(words), entries)
		return
	}
	for i, word := range words {
		if !strings.Contains(entries[i].Message, word) {
			t.Errorf("%q is logged, want %s", entries[i].Message, word)
		}
	}
}

func TestWatchGivesTheNameBack(t *testing.T) {
	for name, take := range map[string]func(*testing.T, string){
		"removed": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"a socket of a process that was killed": func(t *testing.T, path string) {
			t.Helper()
			_, _, end := other(t, "unix="+path)
			end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, path, _, logs := watched(t)
			for range 3 { // it can happen again
				take(t, path)
				w.Look()
				wantReached(t, path)
				wantReached(t, path+secondName)
				wantLogged(t, logs, "and has it again")
				w.Look()
				wantLogged(t, logs)
			}
			w.drop()
			if _, err := os.Lstat(path + secondName); !os.IsNotExist(err) {
				t.Errorf("the second name is left: %v", err)
			}
			wantReached(t, path)
		})
	}
}

func TestWatchTellsWhoHasTheSocket(t *testing.T) {
	w, path, _, logs := watched(t)
	pid, _, end := other(t, "unix="+path)
	for range 2 {
		w.Look()
		if got := fmt.Sprint(w.Taken()); !strings.Contains(got, fmt.Sprintf("%s is in use by process %d", path, pid)) {
			t.Errorf("taken: %s", got)
		}
		wantReached(t, path+secondName)
	}
	wantLogged(t, logs, "another process has taken away a socket of this one")
	end()
	w.Look()
	wantReached(t, path)
	if got := w.Taken(); len(got) > 0 {
		t.Errorf("taken: %v", got)
	}
	wantLogged(t, logs, "and has it again", "no other process has this address any more")
}

// What is not this process's stays as it is.
func TestWatchTakesNothing(t *testing.T) {
	w, path, l, logs := watched(t)

	// A file, or a socket on which somebody else listens.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Look()
	if content, err := os.ReadFile(path); err != nil || string(content) != "a file" {
		t.Errorf("the file is gone: %q, %v", content, err)
	}
	if len(w.Taken()) != 1 {
		t.Errorf("taken: %v", w.Taken())
	}
	logs.TakeAll()

	// This process listens anew: that socket is its own from now on.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
	listenAt(t, path)
	w.Look()
	w.Look()
	wantReached(t, path)
	wantReached(t, path+secondName)

	// A second name that is somebody's file.
	taken := filepath.Join(t.TempDir(), "b.sock")
	if err := os.WriteFile(taken+secondName, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	listenAt(t, taken)
	w.Look()
	w.drop()
	if content, err := os.ReadFile(taken + secondName); err != nil || string(content) != "a file" {
		t.Errorf("the file is gone: %q, %v", content, err)
	}
}

func TestWatchForgetsWhatIsClosed(t *testing.T) {
	w, path, l, logs := watched(t)
	wantReached(t, path+secondName)
	l.Close()
	w.Look()
	if _, err := os.Lstat(path + secondName); !os.IsNotExist(err) {
		t.Errorf("the second name is left: %v", err)
	}
	if got := w.Taken(); len(got) > 0 {
		t.Errorf("taken: %v", got)
	}
	wantLogged(t, logs)
}

// A port that another process also listens on is told while it does so.
func TestWatchTellsSharedPorts(t *testing.T) {
	own, err := shares.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	at := tcpAt(t, own.Addr().String())
	for _, shared := range []bool{false, true} {
		core, logs := observer.New(zap.InfoLevel)
		w := newWatch(zap.New(core), shared)
		defer w.drop()
		w.Look()
		wantLogged(t, logs)
		_, _, endElsewhere := other(t, fmt.Sprintf("tcp=127.0.0.2:%d", at.TCP.Port())) // no matter
		w.Look()
		wantLogged(t, logs)
		pid, _, end := other(t, fmt.Sprintf("tcp=%s", at))
		w.Look()
		want := []error{&TakenError{at, pid}}
		if shared {
			want = nil
		}
		if got := w.Taken(); !reflect.DeepEqual(got, want) {
			t.Errorf("shared %t: taken %v, want %v", shared, got, want)
		}
		end()
		endElsewhere()
		w.Look()
		if got := w.Taken(); len(got) > 0 {
			t.Errorf("taken: %v", got)
		}
	}
}
