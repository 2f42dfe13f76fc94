package listening

import (
	"net"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFoundWhateverOthersDo asks for listeners, of which two share each port, while
// others begin and end: the kernel tells of them in pieces, between which they move.
func TestFoundWhateverOthersDo(t *testing.T) {
	var stable []Address
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	for range 40 {
		l, err := share.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m, err := share.Listen(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		stable = append(stable, tcpAt(t, l.Addr().String()))
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(stop)
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
					l.Close()
				}
			}
		})
	}
	for range 200 {
		all, err := listeners()
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[Address]int)
		for _, l := range all {
			found[l.Address]++
		}
		for _, address := range stable {
			if found[address] != 2 {
				t.Fatalf("%s is found %d times, want 2", address, found[address])
			}
		}
	}
}
