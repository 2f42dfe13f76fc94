package plugin_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// bodySites are where a request's body can go: to a backend that reads it, to
// one that answers at once, nowhere, or not even to Keygate's next handler.
const bodySites = `{
	servers {
		trusted_proxies static 127.0.0.1/32
	}
	keygate {
		store bbolt ./data/keygate.db
	}
}
(routes) {
	scope posts:read * /v1/posts
	scope posts:write * /v1/written
	scope posts:read * /v1/costly cost=1000
	public * /v1/status
	auth_failures 1
}
http://problem:{$PORT} {
	keygate {
		import routes
	}
	reverse_proxy {$BACKEND}
}
http://early:{$PORT} {
	keygate {
		import routes
	}
	reverse_proxy {$EARLY}
}
http://nowhere:{$PORT} {
	keygate {
		import routes
	}
	respond "served"
}
http://nothing:{$PORT} {
	keygate {
		import routes
	}
}
http://down:{$PORT} {
	keygate {
		import routes
	}
	reverse_proxy 127.0.0.1:1
}
http://caddy:{$PORT} {
	keygate {
		import routes
		errors caddy
	}
	reverse_proxy {$BACKEND}
}
http://handled:{$PORT} {
	keygate {
		import routes
		errors caddy
	}
	reverse_proxy {$BACKEND}
	handle_errors {
		respond "handled {err.status_code}"
	}
}
http://proxied:{$PORT} {
	keygate {
		import routes
		errors caddy
	}
	reverse_proxy {$BACKEND}
	handle_errors {
		reverse_proxy {$EARLY}
	}
}
http://asked:{$PORT} {
	keygate {
		import routes
		authorize forward_auth
	}
}
`

// bodyGateway is bodySites with a key, an earlyBackend and a backend.
type bodyGateway struct {
	*gateway
	backend *backend
	token   string
}

func startBodyGateway(t testing.TB) *bodyGateway {
	t.Helper()
	b := &bodyGateway{backend: startBackend(t)}
	early := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "smuggled") {
			t.Errorf("the backend that answers early saw %s", r.URL)
		}
		fmt.Fprint(w, "early")
	}))
	t.Cleanup(early.Close)
	b.gateway = startCaddy(t, bodySites, "BACKEND="+b.backend.Addr, "EARLY="+strings.TrimPrefix(early.URL, "http://"))
	b.token = b.gateway.token(t, "--scope", "posts:read", "--per-minute", "100000", "--burst", "900", "--per-day", "1000000")
	return b
}

// bodyRequests are all that can become of a request: it passes, or is refused
// for each reason.
func (b *bodyGateway) bodyRequests() map[string][]string {
	key := bearer(b.token)
	return map[string][]string{
		"passes":             {"/v1/posts", key},
		"public":             {"/v1/status"},
		"missing_key":        {"/v1/posts"},
		"malformed_request":  {"/v1/posts", key, key},
		"invalid_key":        {"/v1/posts", bearer(noSuchKeyWithID("000000000000"))},
		"insufficient_scope": {"/v1/written", key},
		"route_not_mapped":   {"/v1/nothing", key},
		"ambiguous_path":     {"/v1//posts", key},
		"ambiguous query":    {"/v1/posts?\xff", key},
		"cost_too_high":      {"/v1/costly", key},
	}
}

// head is a request's beginning, up to the empty line that is still to come.
func head(site, method string, request []string) string {
	fields := append([]string{"Host: " + site}, request[1:]...)
	if site == "asked" {
		fields = append(fields, "X-Forwarded-Method: "+method, "X-Forwarded-Uri: "+request[0])
	}
	return method + " " + request[0] + " HTTP/1.1\r\n" + strings.Join(fields, "\r\n") + "\r\n"
}

var bodySiteNames = []string{"problem", "early", "nowhere", "nothing", "down", "caddy", "handled", "proxied", "asked"}

// crowd runs many cases at once: each waits for a server that closes its
// connection only after a while.
type crowd struct {
	group sync.WaitGroup
	once  sync.Once
	room  chan struct{}
}

// namedT names the case in the errors of a test. It never ends the test.
type namedT struct {
	testing.TB
	name string
}

func (t *namedT) Errorf(format string, args ...any) {
	t.TB.Errorf(t.name+": "+format, args...)
}

func (t *namedT) Error(args ...any) { t.Errorf("%s", fmt.Sprint(args...)) }

func (c *crowd) run(t testing.TB, name string, f func(t *namedT)) {
	c.once.Do(func() { c.room = make(chan struct{}, 64) })
	c.room <- struct{}{}
	c.group.Go(func() {
		defer func() { <-c.room }()
		f(&namedT{t, name})
	})
}

func (c *crowd) wait() { c.group.Wait() }

// answersUntilClose reads all final answers that come before the server closes
// the connection, which it must.
func answersUntilClose(t *namedT, conn net.Conn, method string) (statuses []int, bodies []string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Errorf("the connection is still open after the answers %v", statuses)
			}
			return statuses, bodies
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= 200 {
			statuses, bodies = append(statuses, resp.StatusCode), append(bodies, string(body))
		}
	}
}

// What follows a body that cannot be read to its end is not a request: nobody
// knows where that body ended. So there is one answer, and the connection is
// closed.
func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	b := startBodyGateway(t)
	var c crowd
	smuggled := "GET /v1/posts?smuggled HTTP/1.1\r\nHost: problem\r\n" + bearer(b.token) + "\r\n\r\n"
	for shape, body := range map[string]string{
		"garbage for a size":      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n" + smuggled,
		"no size":                 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\r\n" + smuggled,
		"negative size":           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n" + smuggled,
		"size that overflows":     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n11111111111111111\r\n" + smuggled,
		"no CRLF after a chunk":   "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n" + smuggled,
		"LF for CRLF":             "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\n\n" + smuggled,
		"huge chunk extension":    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;" + strings.Repeat("x", 64<<10) + "\r\n" + smuggled,
		"CR alone in a size":      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\rx\r\n" + smuggled,
		"broken trailer":          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nno trailer\r\n" + smuggled,
		"at the first chunk":      "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled,
		"short, in one chunk":     "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + smuggled,
		"shorter than its length": "Content-Length: 65536\r\n\r\n" + smuggled,
	} {
		for name, request := range b.bodyRequests() {
			for _, site := range bodySiteNames {
				if strings.HasPrefix(shape, "short") && (name == "passes" || name == "public") {
					continue // the backend waits for the rest, and so does everybody
				}
				c.run(t, shape+", "+name+", "+site, func(t *namedT) {
					conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					// The server may have answered, and closed the connection, before all
					// is written. The answer is there to be read nonetheless.
					_, _ = io.WriteString(conn, head(site, "POST", request)+body)
					if strings.HasPrefix(shape, "short") {
						conn.(*net.TCPConn).CloseWrite()
					}
					if statuses, _ := answersUntilClose(t, conn, "POST"); len(statuses) != 1 {
						t.Errorf("answered %v, want one answer", statuses)
					}
				})
			}
		}
	}
	c.wait()
	for _, seen := range b.backend.take() {
		if strings.Contains(seen.URI, "smuggled") {
			t.Errorf("the backend saw %s", seen.URI)
		}
	}
}

// A connection is used again where the body was read: that is what the rest is
// measured against.
func TestWholeBodiesKeepTheConnection(t *testing.T) {
	t.Parallel()
	b := startBodyGateway(t)
	for name, body := range map[string]string{
		"none":    "\r\n",
		"length":  "Content-Length: 3\r\n\r\nabc",
		"chunks":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"trailer": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
		"empty":   "Content-Length: 0\r\n\r\n",
		"large":   fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("a", 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			in := bufio.NewReader(conn)
			for i := range 3 {
				if _, err := io.WriteString(conn, head("problem", "POST", []string{"/v1/posts", bearer(b.token)})+body); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 || resp.Close {
					t.Errorf("request %d: %d, closed %v, %v", i, resp.StatusCode, resp.Close, err)
				}
			}
		})
	}
}
