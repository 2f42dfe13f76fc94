package plugin_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

const oddSite = `{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate {
		scope posts:read GET /keyed/{name}
		public GET /open/{name}
	}
	reverse_proxy {$BACKEND}
}
`

// ownFields are a backend's that are ours to replace.
const ownFields = "RateLimit: theirs\r\nRateLimit: again\r\nRateLimit-Policy: theirs\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Origin: null\r\n" +
	"Access-Control-Allow-Credentials: true\r\nVary: Accept, Origin\r\n"

// oddAnswers are what a backend writes, byte by byte, before it closes the
// connection; and what the client gets.
var oddAnswers = map[string]struct {
	wire   string
	status int
	body   string
	hints  int
}{
	"plain":            {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 0},
	"theirs":           {"HTTP/1.1 200 OK\r\n" + ownFields + "Content-Length: 2\r\n\r\nok", 200, "ok", 0},
	"old":              {"HTTP/1.0 200 OK\r\n" + ownFields + "\r\nto the end", 200, "to the end", 0},
	"empty":            {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0},
	"unchanged":        {"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n" + ownFields + "\r\n", 304, "", 0},
	"hints":            {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n" + ownFields + "\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2},
	"hints-then-error": {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 Oh\r\n" + ownFields + "Content-Length: 0\r\n\r\n", 500, "", 1},
	"hints-then-dead":  {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n" + ownFields + "\r\n", 502, "", 1},
	"trailer":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n" + ownFields + "\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n", 200, "ok", 0},
	"dead":             {"", 502, "", 0},
	"no-answer":        {"SSH-2.0-OpenSSH\r\n", 502, "", 0},
	"not-asked":        {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + ownFields + "\r\n", 200, "", 0}, // Caddy takes nothing of it
	"unknown":          {"HTTP/1.1 599 What\r\n" + ownFields + "Content-Length: 0\r\n\r\n", 599, "", 0},
}

// startOddBackend serves oddAnswers by the last segment of the path.
func startOddBackend(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				wire := oddAnswers[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]].wire
				if r.Method == http.MethodHead {
					wire, _, _ = strings.Cut(wire, "\r\n\r\n")
					wire += "\r\n\r\n"
				}
				_, _ = io.WriteString(conn, wire) // Caddy may have gone
			}()
		}
	}()
	return l.Addr().String()
}

// Through Caddy's own server and proxy, whatever the backend does: what is ours is
// on the final answer once, also on those that Caddy makes of an error.
func TestOddBackends(t *testing.T) {
	t.Parallel()
	g := startCaddy(t, oddSite, "BACKEND="+startOddBackend(t))
	token := g.token(t, "--scope", "posts:read", "--per-minute", "1000")
	for name, odd := range oddAnswers {
		for _, path := range []string{"/keyed/", "/open/"} {
			for _, method := range []string{"GET", "HEAD"} {
				if method == "HEAD" && odd.hints > 0 {
					continue // the wire is cut after its first header
				}
				t.Run(name+path+method, func(t *testing.T) {
					var hints []textproto.MIMEHeader
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
						hints = append(hints, h)
						return nil
					}})
					resp, trailer := askOdd(ctx, t, g, method, path+name, bearer(token), "Origin: https://shop.example")
					if resp.Status != odd.status || method == "GET" && resp.Body != odd.body || len(hints) != odd.hints {
						t.Errorf("answered %d %q after %d hints, want %d %q after %d", resp.Status, resp.Body, len(hints), odd.status, odd.body, odd.hints)
					}
					for _, hint := range hints {
						if len(hint["Link"]) != 1 || len(hint["Ratelimit-Policy"]) > 0 && hint["Ratelimit-Policy"][0] != "theirs" {
							t.Errorf("a hint has %v", hint)
						}
					}
					if sum := trailer.Get("X-Sum"); method == "GET" && (name == "trailer") != (sum == "42") {
						t.Errorf("the trailer has %q", sum)
					}
					last := odd.wire[max(0, strings.LastIndex(odd.wire, "HTTP/1.")):]
					wantOursOnce(t, resp.Header, path == "/keyed/", strings.Contains(last, ownFields) && resp.Status != 502 && name != "not-asked")
				})
			}
		}
	}
}

func askOdd(ctx context.Context, t *testing.T, g *gateway, method, path string, headers ...string) (response, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := readBody(resp)
	if err != nil {
		t.Fatal(err)
	}
	return answer, resp.Trailer
}

// wantOursOnce checks what is ours on an answer to a page. theirs says whether
// the backend set the same fields.
func wantOursOnce(t *testing.T, h http.Header, keyed, theirs bool) {
	t.Helper()
	wantHeaders(t, response{Header: h}, map[string]string{
		"Access-Control-Allow-Origin":      "https://shop.example",
		"Access-Control-Allow-Credentials": "",
		"Access-Control-Expose-Headers":    "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, Request-Id, Key-Expires",
	})
	varies := strings.Split(strings.ToLower(strings.ReplaceAll(strings.Join(h["Vary"], ","), " ", "")), ",")
	slices.Sort(varies)
	want := []string{"origin"}
	if theirs {
		want = append(want, "accept")
	}
	if keyed {
		want = append(want, "authorization")
	}
	slices.Sort(want)
	if !slices.Equal(varies, want) {
		t.Errorf("Vary is %q, want %q", varies, want)
	}
	switch limits := strings.Join(append(h["Ratelimit"], h["Ratelimit-Policy"]...), " "); {
	case keyed:
		wantHeaders(t, response{Header: h}, map[string]string{"RateLimit-Policy": `"minute";q=1000;w=60, "day";q=10000;w=86400`, "Cache-Control": "private"})
		if len(h["Ratelimit"]) != 1 || !strings.HasPrefix(h["Ratelimit"][0], `"minute";r=`) {
			t.Errorf("RateLimit is %q", h["Ratelimit"])
		}
	case theirs && limits != "theirs again theirs", !theirs && limits != "":
		t.Errorf("of a public route the limits are %q", limits)
	}
}
