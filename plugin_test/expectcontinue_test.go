package plugin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Who asks whether to send a body is answered at once, also by a refusal, and
// without the body.
func TestExpectContinueIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	b := startBodyGateway(t)
	var c crowd
	defer c.wait()
	for _, length := range []string{"Content-Length: 3", "Content-Length: 8388608", "Transfer-Encoding: chunked"} {
		for name, request := range b.bodyRequests() {
			for _, site := range bodySiteNames {
				passes := name == "passes" || name == "public"
				if passes && (site == "problem" || site == "caddy" || site == "handled" || site == "proxied") {
					continue // that backend reads: below
				}
				c.run(t, length+", "+name+", "+site, func(t *namedT) {
					conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					if _, err := io.WriteString(conn, head(site, "POST", request)+"Expect: 100-continue\r\n"+length+"\r\n\r\n"); err != nil {
						t.Error(err)
						return
					}
					conn.SetReadDeadline(time.Now().Add(patience))
					in := bufio.NewReader(conn)
					resp, err := http.ReadResponse(in, nil)
					for err == nil && resp.StatusCode == 100 && (passes || site == "proxied") {
						resp, err = http.ReadResponse(in, nil) // a proxy asks for the body
					}
					if err != nil {
						t.Errorf("no answer: %v", err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					if resp.StatusCode < 200 || err != nil || !resp.Close {
						t.Errorf("answered %d %s, closed %v, %v", resp.StatusCode, body, resp.Close, err)
					}
				})
			}
		}
	}
}

// A request that passes is told to go on when the backend reads, and not before
// somebody has let it pass.
func TestExpectContinueThatPasses(t *testing.T) {
	t.Parallel()
	b := startBodyGateway(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	for range 2 {
		io.WriteString(conn, head("problem", "POST", []string{"/v1/posts", bearer(b.token)})+"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != 100 {
			t.Fatalf("%v, %v; want 100", resp, err)
		}
		io.WriteString(conn, "abc")
		resp, err = http.ReadResponse(in, nil)
		for err == nil && resp.StatusCode == 100 {
			resp, err = http.ReadResponse(in, nil) // the backend's own, which Caddy passes on
		}
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != 200 || resp.Close {
			t.Errorf("answered %d, closed %v", resp.StatusCode, resp.Close)
		}
		if seen := b.backend.takeOne(t); string(seen.Body) != "abc" {
			t.Errorf("the backend read %q", seen.Body)
		}
	}
}

// Who is refused in the middle of a large upload, and reads only after it has
// written what it could, still gets the whole answer.
func TestRefusalOfALargeUpload(t *testing.T) {
	t.Parallel()
	b := startBodyGateway(t)
	upload := strings.Repeat("a", 8<<20)
	for name, body := range map[string]string{
		"length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(upload), upload),
		"chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(upload), upload),
	} {
		for _, site := range []string{"problem", "caddy", "handled"} {
			t.Run(name+"/"+site, func(t *testing.T) {
				for range 5 {
					conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
					if err != nil {
						t.Fatal(err)
					}
					conn.SetDeadline(time.Now().Add(patience))
					_, _ = io.WriteString(conn, head(site, "POST", []string{"/v1/posts"})+body) // it may be told to stop
					resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(resp.Body)
					if err != nil || resp.StatusCode != 401 || site == "problem" && !strings.HasSuffix(string(text), "}\n") {
						t.Errorf("answered %d %q, %v", resp.StatusCode, text, err)
					}
					conn.Close()
				}
			})
		}
	}
}
