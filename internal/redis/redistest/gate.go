package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fault is what becomes of one call.
type Fault int

// The faults. Where an answer is missing and nothing is closed, the caller learns
// of it by waiting alone.
const (
	LoseCall    Fault = iota // the server never sees it, nor what follows on the connection
	LoseAnswer               // the server acts; no answer comes, nor any other on the connection
	LateCall                 // LoseCall, but the server acts on it at Release
	ResetBefore              // the connection ends before the server sees it
	ResetAfter               // the connection ends after the server has acted
	DieBefore                // ResetBefore, of all connections, and there are no others
	DieAfter                 // ResetAfter, of all connections, and there are no others
	Faults                   // how many there are
)

func (f Fault) String() string {
	return [...]string{"call lost", "answer lost", "call late", "reset before", "reset after", "dies before", "dies after"}[f]
}

// Dies reports whether whoever made the call is gone after it.
func (f Fault) Dies() bool { return f == DieBefore || f == DieAfter }

// Gate is a proxy in front of a server that reads what is asked, and lets a
// fault happen to one call.
type Gate struct {
	Addr string // host:port

	listener net.Listener
	target   string

	mu      sync.Mutex
	conns   map[*gateConn]bool
	matches func(call []string) bool
	fault   Fault
	left    int // calls that match until the fault
	broken  []string
	late    func()
	dead    bool
	held    *Held
}

// NewGate starts a gate in front of the address of a server.
func NewGate(t testing.TB, target string) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{Addr: listener.Addr().String(), listener: listener, target: target, conns: make(map[*gateConn]bool)}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go g.serve(client)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		g.die()
	})
	return g
}

// Break lets a fault happen to the nth call from now on, from 1, of those that
// match.
func (g *Gate) Break(n int, fault Fault, matches func(call []string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left, g.fault, g.matches, g.broken = n, fault, matches, nil
}

// Broken returns the call that the fault happened to, or nil. No other call is
// broken after it.
func (g *Gate) Broken() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.matches = nil
	return g.broken
}

// Release lets the server act on a late call, and returns when it has.
func (g *Gate) Release() {
	g.mu.Lock()
	late := g.late
	g.late = nil
	g.mu.Unlock()
	if late != nil {
		late()
	}
}

func (g *Gate) die() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = true
	for c := range g.conns {
		c.end()
	}
}

type gateConn struct {
	client, server net.Conn
	mu             sync.Mutex
	silent         bool          // nothing goes back to the client
	answered       chan struct{} // gets a value for each piece of an answer while silent
}

func (c *gateConn) end() {
	c.client.Close()
	c.server.Close()
}

func (g *Gate) serve(client net.Conn) {
	server, err := net.DialTimeout("tcp", g.target, Patience)
	if err != nil {
		client.Close()
		return
	}
	c := &gateConn{client: client, server: server, answered: make(chan struct{}, 1)}
	g.mu.Lock()
	if g.dead {
		c.end()
	}
	g.conns[c] = true
	g.mu.Unlock()
	go c.answers()
	if !g.calls(c) {
		return // it stays open, and nobody listens
	}
	c.end()
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
}

// answers forwards what the server says.
func (c *gateConn) answers() {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.server.Read(buf)
		c.mu.Lock()
		silent := c.silent
		c.mu.Unlock()
		switch {
		case err != nil:
			if !silent {
				c.client.Close()
			}
			return
		case silent:
			select {
			case c.answered <- struct{}{}:
			default:
			}
		default:
			if _, err := c.client.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// silence stops answers.
func (c *gateConn) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = true
}

// calls forwards calls. It reports false where the connection is to stay open.
func (g *Gate) calls(c *gateConn) (ended bool) {
	in := bufio.NewReader(c.client)
	for {
		call, raw, err := readCall(in)
		if err != nil {
			return true
		}
		g.mu.Lock()
		held := g.held
		g.mu.Unlock()
		held.wait(call)
		fault, happens := g.happens(call)
		if !happens {
			if _, err := c.server.Write(raw); err != nil {
				return true
			}
			continue
		}
		act := func() {
			_, _ = c.server.Write(raw)
			select {
			case <-c.answered:
			case <-time.After(Patience):
			}
		}
		if fault == LoseAnswer || fault == ResetAfter || fault == DieAfter {
			c.silence()
			act()
		}
		if fault == LateCall {
			c.silence()
			g.mu.Lock()
			g.late = act
			g.mu.Unlock()
		}
		g.mu.Lock()
		g.broken = call
		g.mu.Unlock()
		if fault.Dies() {
			g.die()
		}
		return fault != LoseCall && fault != LoseAnswer && fault != LateCall
	}
}

func (g *Gate) happens(call []string) (Fault, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.matches == nil || g.left == 0 || !g.matches(call) {
		return 0, false
	}
	g.left--
	return g.fault, g.left == 0
}

// readCall reads a call, an array of strings, and the bytes that it consists of.
func readCall(in *bufio.Reader) (call []string, raw []byte, err error) {
	header := func(kind byte) (int, error) {
		line, err := in.ReadBytes('\n')
		raw = append(raw, line...)
		if err != nil {
			return 0, err
		}
		if line[0] != kind {
			return 0, fmt.Errorf("%q is not a call", line)
		}
		return strconv.Atoi(strings.TrimSpace(string(line[1:])))
	}
	n, err := header('*')
	if err != nil {
		return nil, nil, err
	}
	for range n {
		length, err := header('$')
		if err != nil {
			return nil, nil, err
		}
		text := make([]byte, length+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, nil, err
		}
		call, raw = append(call, string(text[:length])), append(raw, text...)
	}
	return call, raw, nil
}
