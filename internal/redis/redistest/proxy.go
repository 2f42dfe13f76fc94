package redistest

import (
	"net"
	"sync"
	"testing"
)

// Proxy forwards connections to a server until it is told not to. Then it
// keeps them open and takes what is sent, as a cut cable would: no end of a
// connection learns of it.
type Proxy struct {
	Addr string // host:port

	listener net.Listener
	target   string

	mu    sync.Mutex
	open  *sync.Cond // its state changed
	cut   bool
	done  bool
	conns []net.Conn
}

// NewProxy starts a proxy in front of the address of a server.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), listener: listener, target: target}
	p.open = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

// Cut stops forwarding, in both directions and for new connections.
func (p *Proxy) Cut() { p.setCut(true) }

// Mend goes on forwarding, with what was sent meanwhile.
func (p *Proxy) Mend() { p.setCut(false) }

// Reset ends all connections, with all that was sent since Cut, and forwards new
// ones.
func (p *Proxy) Reset() {
	p.mu.Lock()
	for _, conn := range p.conns {
		conn.Close()
	}
	p.conns, p.cut = nil, false
	p.mu.Unlock()
	p.open.Broadcast()
}

func (p *Proxy) setCut(cut bool) {
	p.mu.Lock()
	p.cut = cut
	p.mu.Unlock()
	p.open.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.keep(client) || !p.pass() {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, Patience)
	if err != nil {
		client.Close()
		return
	}
	if !p.keep(server) {
		return
	}
	go p.copy(server, client)
	p.copy(client, server)
}

// copy ends both connections when one has ended, unless the cable is cut.
func (p *Proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !p.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	to.Close()
	from.Close()
}

// pass waits while the cable is cut. It reports false at the end of the test.
func (p *Proxy) pass() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.cut && !p.done {
		p.open.Wait()
	}
	return !p.done
}

func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		conn.Close()
		return false
	}
	p.conns = append(p.conns, conn)
	return true
}

func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.done = true
	for _, conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.open.Broadcast()
}
