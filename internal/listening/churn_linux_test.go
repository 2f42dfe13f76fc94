package listening

import (
	"net"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// shares lets several sockets have one port, as Caddy does.
var shares = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
}}

// TestFoundWhateverOthersDo asks for listeners, of which two share each port, while
// others begin and end: the kernel tells of them in pieces, between which they move.
func TestFoundWhateverOthersDo(t *testing.T) {
	var stable []Address
	for range 40 {
		l, err := shares.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m, err := shares.Listen(t.Context(), "tcp", l.Addr().String())
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
	for range 40 {
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

// TestReplacedByItself opens a socket at an address before it closes the one that was
// there, as a reload does: at no moment has another process the address.
func TestReplacedByItself(t *testing.T) {
	listen := func(address string) net.Listener {
		l, err := shares.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	last := listen("127.0.0.1:0")
	address := last.Addr().String()
	stop := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for {
			select {
			case <-stop:
				last.Close()
				return
			default:
				next := listen(address)
				last.Close()
				last = next
			}
		}
	})
	w := newWatch(zap.NewNop(), false)
	for range 100 {
		w.Look()
		if taken := w.Taken(); len(taken) > 0 {
			t.Errorf("the watch: %v", taken)
			break
		}
		if err := Check([]Address{tcpAt(t, address)}); err != nil {
			t.Errorf("the check: %v", err)
			break
		}
	}
	close(stop)
	reloads.Wait()
}
