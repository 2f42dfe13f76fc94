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
	"strings"
	"testing"
)

// TestMain is also the other process: one that listens where it is told, as
// Caddy does, until its input ends.
func TestMain(m *testing.M) {
	if addresses := os.Getenv("LISTEN"); addresses != "" {
		for address := range strings.SplitSeq(addresses, "\n") {
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
	cmd.Env = append(os.Environ(), "LISTEN="+strings.Join(addresses, "\n"))
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

// shortFolder is one for sockets, whose paths are at most some 100 bytes, less than
// t.TempDir may return.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kg") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
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
	path := filepath.Join(shortFolder(t), "a b.sock")
	link := filepath.Join(filepath.Dir(path), "a_b.sock")
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
