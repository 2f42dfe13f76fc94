// Package redistest runs real redis-server processes for tests, and breaks them.
package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Server is a redis-server process on a port of loopback, with its files in a
// folder of the test.
type Server struct {
	Addr     string // host:port
	Port     string
	Password string // of the default user; "": none

	t       testing.TB
	program string
	dir     string
	args    []string
	process *exec.Cmd
	log     *lockedBuffer
}

// Start starts a server with an append-only file that outlives the process, and
// stops it when the test ends. Arguments are those of redis-server, such as
// "--requirepass", "secret".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, "redis-server", append([]string{"--save", "", "--appendonly", "yes", "--appendfsync", "no"}, args...)...)
	for i, arg := range args {
		if arg == "--requirepass" {
			s.Password = args[i+1]
		}
	}
	s.start()
	return s
}

func newServer(t testing.TB, program string, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%v: install redis-server", err)
	}
	s := &Server{t: t, program: program, dir: t.TempDir(), log: new(lockedBuffer)}
	s.Port = freePort(t)
	s.Addr = net.JoinHostPort("127.0.0.1", s.Port)
	s.args = append([]string{
		"--port", s.Port, "--bind", "127.0.0.1", "--dir", s.dir, "--enable-debug-command", "yes",
	}, args...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s on %s:\n%s", s.program, s.Addr, tail(s.log.String()))
		}
		if s.process != nil {
			s.Kill9()
		}
	})
	return s
}

// Ports of servers are below those that the kernel chooses by itself, from 32768 on
// Linux: while a server is down, no connection that asks for any port takes its own. They
// are also below those of the gateways that plugin_test starts, and so are their Cluster
// bus ports, 10000 above, unless that starts thousands.
const firstPort, ports = 9100, 2900

// freePort returns a port that nobody listens on. Its Cluster bus port is free
// as well, unless somebody takes it meanwhile.
func freePort(t testing.TB) string {
	t.Helper()
	for range 10 * ports {
		port := firstPort + rand.IntN(ports) //nolint:gosec // it is no secret
		if isFree(port) && isFree(port+10000) {
			return strconv.Itoa(port)
		}
	}
	t.Fatalf("no port from %d to %d is free", firstPort, firstPort+ports-1)
	return ""
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		_ = l.Close()
	}
	return err == nil
}

func (s *Server) start() {
	s.t.Helper()
	s.launch()
	Until(s.t, s.Addr+" answers", func() bool {
		answer, err := s.Try("PING")
		return err == nil && answer == "PONG"
	})
}

func (s *Server) launch() {
	s.t.Helper()
	s.process = exec.Command(s.program, s.args...) //nolint:gosec // of this package
	s.process.Stdout, s.process.Stderr = s.log, s.log
	s.process.Dir = s.dir
	s.process.SysProcAttr = childAttr()
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// Kill9 ends the server with SIGKILL.
func (s *Server) Kill9() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// Restart starts a server again that Kill9 has ended, with what its
// append-only file has, and waits until it has loaded that.
func (s *Server) Restart() {
	s.t.Helper()
	s.start()
}

// Relaunch is Restart that does not wait.
func (s *Server) Relaunch() {
	s.t.Helper()
	s.launch()
}

// Do sends a command on a connection of its own, and returns the answer: a list
// has its items on a line each.
func (s *Server) Do(command ...string) string {
	s.t.Helper()
	answer, err := s.Try(command...)
	if err != nil {
		s.t.Fatalf("%s: %v", command[0], err)
	}
	return answer
}

// Try is Do that returns the error.
func (s *Server) Try(command ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, Patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	if s.Password != "" {
		if _, err := roundTrip(conn, r, "AUTH", s.Password); err != nil {
			return "", err
		}
	}
	return roundTrip(conn, r, command...)
}

func roundTrip(w io.Writer, r *bufio.Reader, command ...string) (string, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, arg := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return "", err
	}
	return readReply(r)
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, line := line[0], strings.TrimSuffix(line[1:], "\r\n")
	var n int
	switch kind {
	case '-':
		return "", errors.New(line)
	case '$', '*':
		if _, err := fmt.Sscan(line, &n); err != nil || n < 0 {
			return "", err
		}
	default:
		return line, nil
	}
	if kind == '$' {
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	}
	items := make([]string, n)
	for i := range items {
		if items[i], err = readReply(r); err != nil {
			return "", err
		}
	}
	return strings.Join(items, "\n"), nil
}
