package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/bench/internal/websocket"
)

func TestRenderUpgrade(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(renderUpgrade("patra_x", []string{"https://a.example"}))))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": socketKey,
		"Authorization": "Bearer patra_x", "Origin": "https://a.example", "User-Agent": "node",
	} {
		if got := r.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestCountEvents(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   int
		fails  bool
	}{
		"two":     {"data: 1\n\ndata: 2\n\n", 2, false},
		"returns": {"data: 1\r\n\r\n", 1, false},
		"nothing": {"", 0, true},
		"no end":  {"data: 1\n", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := countEvents(strings.NewReader(test.stream)); got != test.want || (err != nil) != test.fails {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
	if _, err := countEvents(io.MultiReader(strings.NewReader("data: 1\n\n"), new(cut))); err == nil {
		t.Error("a stream that is cut counts")
	}
}

type cut struct{}

func (*cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// server answers as a gateway does, and as backends behind it.
func server(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(unauthorized)
			return
		}
		switch r.URL.Path {
		case streamPath:
			for range 3 {
				fmt.Fprint(w, "data: x\n\n")
				_ = http.NewResponseController(w).Flush()
			}
		case socketPath:
			conn, in, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n", websocket.Accept(r.Header.Get("Sec-WebSocket-Key")))
			for {
				message, err := websocket.ReadText(in, make([]byte, 200))
				if err != nil {
					return
				}
				if _, err := conn.Write(websocket.AppendText(nil, message, nil)); err != nil {
					return
				}
			}
		default:
			fmt.Fprint(w, "ok")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// Each protocol counts what it is counted in, and knows a refusal.
func TestProtocols(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	secure, err := writeCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	plain, overIt := server(t), server(t)
	plain.Start()
	overIt.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	overIt.EnableHTTP2 = true
	overIt.StartTLS()

	get := func(path string) []byte { return render(http.MethodGet, path, "patra_x", nil) }
	s := stage{requests: &requests{
		good: [][]byte{get("/v1/posts/1"), get("/v1/posts/2")}, noKey: render(http.MethodGet, "/v1/posts/1", "", nil),
		streams: [][]byte{get(streamPath)}, sockets: [][]byte{renderUpgrade("patra_x", nil)},
	}}
	all, err := s.protocols(secure)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			addr, units := plain.Listener.Addr().String(), 1
			if p.secure {
				addr = overIt.Listener.Addr().String()
			}
			if strings.Contains(p.name, "events") {
				units = 3
			}
			session, err := p.load(addr, 1, 2, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			for range 3 {
				if got, err := session.next(); err != nil || got != units {
					t.Errorf("%d, %v", got, err)
				}
			}
			if err := refuses(addr, p.keyless, true); err != nil {
				t.Error(err)
			}
			if err := refuses(addr, p.keyless, false); !errors.As(err, new(statusError)) {
				t.Errorf("of stock: %v", err)
			}
			if err := refuses(addr, p.load, true); err == nil {
				t.Error("what passes counts as refused")
			}
		})
	}
}

// A server that has HTTP/1.1 alone is not measured as HTTP/2.
func TestHTTP2Alone(t *testing.T) {
	s := server(t)
	s.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	l, err := http2Load([][]byte{render(http.MethodGet, "/", "patra_x", nil)}, http.StatusOK, &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	session, err := l(s.Listener.Addr().String(), 0, 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := session.next(); err == nil {
		t.Error("it is taken for HTTP/2")
	}
}

// What comes back is what was sent.
func TestEcho(t *testing.T) {
	for name, test := range map[string]struct {
		echo  []byte
		fails bool
	}{
		"the same": {websocket.AppendText(nil, []byte("hello"), nil), false},
		"another":  {websocket.AppendText(nil, []byte("hallo"), nil), true},
		"a close":  {[]byte{0x88, 0}, true},
		"nothing":  {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			s := &socketSession{near, bufio.NewReader(bytes.NewReader(test.echo)), []byte("frame"), make([]byte, 200), []byte("hello")}
			go func() { _, _ = io.Copy(io.Discard, far) }()
			if _, err := s.next(); (err != nil) != test.fails {
				t.Error(err)
			}
		})
	}
}
