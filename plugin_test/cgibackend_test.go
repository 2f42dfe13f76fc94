package plugin_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/textproto"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// cgiBackend is a server of the old kind. It keeps the header lines as they were
// on the wire, and runs a program for each request, with the environment that
// Apache and lighttpd make of these lines.
type cgiBackend struct {
	addr string

	mu   sync.Mutex
	seen []cgiRequest
}

// cgiRequest is what arrived, and what the program found in its environment.
type cgiRequest struct {
	lines, trailers []wireField
	env             map[string]string
}

func startCGIBackend(t testing.TB) *cgiBackend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &cgiBackend{addr: l.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				if err := b.serve(conn); err != nil {
					t.Errorf("the CGI backend: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return b
}

// serve answers one request, and asks for the connection to be closed.
func (b *cgiBackend) serve(conn net.Conn) error {
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if line == "" && errors.Is(err, io.EOF) {
		return nil // Caddy had another connection sooner
	}
	if err != nil {
		return err
	}
	method, _, _ := strings.Cut(line, " ")
	lines, err := headerLines(in)
	if err != nil {
		return err
	}
	r := cgiRequest{lines: lines}
	if slices.Contains(lines, wireField{"Transfer-Encoding", "chunked"}) {
		if _, err = io.Copy(io.Discard, httputil.NewChunkedReader(in)); err != nil {
			return err
		}
		if r.trailers, err = headerLines(in); err != nil {
			return err
		}
	}
	if r.env, err = runCGI(method, lines); err != nil {
		return err
	}
	b.mu.Lock()
	b.seen = append(b.seen, r)
	b.mu.Unlock()
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	return err
}

// headerLines reads to the empty line.
func headerLines(in *bufio.Reader) (lines []wireField, err error) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return lines, nil
		}
		name, value, _ := strings.Cut(line, ":")
		lines = append(lines, wireField{name, textproto.TrimString(value)})
	}
}

// environmentName is the variable that stands for a header (RFC 3875 §4.1.18):
// all that is neither letter nor digit becomes _.
func environmentName(header string) string {
	b := []byte(strings.ToUpper(header))
	for i, c := range b {
		if (c < 'A' || 'Z' < c) && (c < '0' || '9' < c) {
			b[i] = '_'
		}
	}
	return "HTTP_" + string(b)
}

// runCGI returns the environment as a program sees it. Of two lines that make
// one variable the later one wins.
func runCGI(method string, lines []wireField) (map[string]string, error) {
	cmd := exec.Command("env", "-0")
	cmd.Env = []string{"GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=" + method, "HTTP_LINES=" + strconv.Itoa(len(lines))}
	for _, f := range lines {
		cmd.Env = append(cmd.Env, environmentName(f.Name)+"="+f.Value)
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running a program with %d variables: %w", len(cmd.Env), err)
	}
	env := make(map[string]string)
	for variable := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	return env, nil
}

// take returns the requests since the last call.
func (b *cgiBackend) take() []cgiRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// takeOne is take where exactly one request must have arrived.
func (b *cgiBackend) takeOne(t testing.TB) cgiRequest {
	t.Helper()
	seen := b.take()
	if len(seen) != 1 {
		t.Fatalf("%d requests reached the backend, want 1", len(seen))
	}
	return seen[0]
}
