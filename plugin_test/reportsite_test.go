package plugin_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// liveConfig is an API that is live, as it is without Keygate and behind mode
// report, over HTTP/1.1, 2 and 3. Names and ports are no part of what is compared.
const liveConfig = `
{
	auto_https disable_redirects
	skip_install_trust
	servers {
		protocols h1 h2 h3
	}
	keygate {
		store bbolt ./data/keygate.db
	}
}
(routes) {
	scope posts:read GET /v1/posts
	scope posts:write POST /v1/posts
	public GET /v1/status
	deny GET /v1/secret
	authenticated GET /v1/costly cost=3
	scope posts:read GET /websocket/echo websocket
	header X-API-Key
	auth_failures off
}
http://:{$PORT} {
	keygate {
		import routes
		MODE
	}
	reverse_proxy {$BACKEND} {
		flush_interval -1
	}
}
https://gateway.test:{$TLS} {
	tls internal
	keygate {
		import routes
		MODE
	}
	reverse_proxy {$BACKEND} {
		flush_interval -1
	}
}
http://:{$BARE} {
	reverse_proxy {$BACKEND} {
		flush_interval -1
	}
}
https://gateway.test:{$BARE_TLS} {
	tls internal
	reverse_proxy {$BACKEND} {
		flush_interval -1
	}
}
`

// liveSite is a Caddy with that config.
type liveSite struct {
	*gateway
	backend                   *backend
	keyed, bare, tls, bareTLS string // addresses
}

func startLive(t *testing.T, mode string) *liveSite {
	t.Helper()
	b := startBackend(t)
	bare, tls, bareTLS := freePort(t), freePort(t), freePort(t)
	g := startCaddy(t, strings.ReplaceAll(liveConfig, "MODE", mode), "BACKEND="+b.Addr, "BARE="+bare, "TLS="+tls, "BARE_TLS="+bareTLS)
	const here = "127.0.0.1:"
	awaitCertificate(t, here+tls, "gateway.test")
	return &liveSite{g, b, strings.TrimPrefix(g.URL, "http://"), here + bare, here + tls, here + bareTLS}
}

// jwt is of another system.
const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

// liveMix are requests of an API that has clients, each the lines of one in
// HTTP/1.1 without Host, and perhaps a body behind them.
var liveMix = []string{
	"GET /v1/posts?page=2 HTTP/1.1",
	"GET /v1/nothing HTTP/1.1\nAuthorization: Bearer " + jwt,
	"GET /v1/posts HTTP/1.1\nAuthorization: Basic " + "YWRhOnNlY3JldA==",
	"GET /basic-auth/ada/secret HTTP/1.1\nAuthorization: Basic YWRhOnNlY3JldA==",
	"GET /basic-auth/ada/secret HTTP/1.1",
	"GET /bearer HTTP/1.1\nAuthorization: Bearer " + jwt,
	"GET /cookies HTTP/1.1\nCookie: session=abc; theme=dark",
	"GET /cookies/set?a=b HTTP/1.1",
	"GET /headers HTTP/1.1\nX-API-Key: the-backends-own\nX-HTTP-Method-Override: DELETE\nForwarded: for=1.2.3.4\nX-Real-IP: 1.2.3.4\nX-Original-URL: /admin",
	"GET /headers HTTP/1.1\nConnection: close, X-Hop\nX-Hop: 1\nKeep-Alive: 5\nTE: trailers",
	"GET /headers HTTP/1.1\nX~Odd: 1\nSocialPatra: no claim",
	"GET /status/404 HTTP/1.1",
	"GET /status/500 HTTP/1.1",
	"GET /status/418 HTTP/1.1",
	"GET /no/such/path HTTP/1.1",
	"GET /v1//posts HTTP/1.1",
	"GET /v1/%2e%2e/posts;a=b HTTP/1.1",
	"GET /v1/POSTS/ HTTP/1.1",
	"GET /v1/secret HTTP/1.1",
	"GET /v1/status HTTP/1.1\nAuthorization: Bearer " + jwt,
	"GET /v1/posts?q=a'b|c HTTP/1.1",
	"HEAD /v1/posts HTTP/1.1",
	"OPTIONS /v1/posts HTTP/1.1\nOrigin: https://app.example\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: content-type",
	"GET /v1/posts HTTP/1.1\nOrigin: https://app.example",
	"TRACE /anything HTTP/1.1",
	"PROPFIND /anything HTTP/1.1\nDepth: 1",
	"MYMETHOD /anything HTTP/1.1",
	"PUT /put HTTP/1.1\nContent-Type: text/plain\nContent-Length: 5\n\nhello",
	"PATCH /patch HTTP/1.1\nContent-Type: application/json\nContent-Length: 7\n\n{\"a\":1}",
	"DELETE /delete HTTP/1.1",
	"POST /post HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 3\n\na=b",
	"POST /post HTTP/1.1\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
	"POST /v1/posts HTTP/1.1\nContent-Type: text/plain\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n5\nhello\n0\nX-Sum: 7\n\n",
	"POST /post HTTP/1.1\nContent-Type: application/octet-stream\nContent-Length: 300000\n\n" + strings.Repeat("u", 300_000),
	"POST /post HTTP/1.1\nExpect: 100-continue\nContent-Type: text/plain\nContent-Length: 5\n\nhello",
	"POST /status/413 HTTP/1.1\nContent-Type: text/plain\nContent-Length: 5\n\nhello",
	"GET /response-headers?Cache-Control=max-age%3D60&Vary=Accept&RateLimit=own&Access-Control-Allow-Origin=%2A&WWW-Authenticate=Own HTTP/1.1\nOrigin: https://app.example",
	"GET /response-headers?Access-Control-Allow-Origin=https%3A%2F%2Fapp.example&Access-Control-Allow-Credentials=true HTTP/1.1\nOrigin: https://app.example",
	"GET /cache HTTP/1.1\nIf-None-Match: x",
	"GET /etag/abc HTTP/1.1\nIf-None-Match: abc",
	"GET /range/100 HTTP/1.1\nRange: bytes=10-19",
	"GET /redirect/1 HTTP/1.1",
	"GET /gzip HTTP/1.1\nAccept-Encoding: gzip",
	"GET /sse?count=3&delay=0&duration=30ms HTTP/1.1\nAccept: text/event-stream",
	"GET /stream/3 HTTP/1.1",
	"GET /drip?numbytes=5&duration=0.05&delay=0 HTTP/1.1",
	"GET /bytes/1000?seed=7 HTTP/1.1",
	"GET /trailers?X-Trailer=1 HTTP/1.1\nTE: trailers",
	"GET /websocket/echo HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	"GET /status/200 HTTP/1.1\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__",
	"GET /v1/posts HTTP/1.0",
	"GET /v1/posts HTTP/1.1\nAuthorization: Digest username=\"a\"\nAuthorization: Bearer " + jwt,
	"GET /v1/posts HTTP/1.1\nAuthorization: ",
	"GET /v1/posts HTTP/1.1\nAuthorization: Bearer other_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn",
}

// clocks are what another time makes of the same answer: an HTTP date (RFC 9110
// section 5.6.7) in any header, and what the backend writes of its own clock.
var clocks = regexp.MustCompile(`[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|"timestamp":\d+|dur=[\d.]+`)

// exchangeBytes sends a request of the mix and returns what came back in bytes,
// but for the date and for how a body was cut into chunks.
func rawExchange(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	head, body, _ := strings.Cut(request, "\n\n")
	first, rest, _ := strings.Cut(head, "\n")
	closing := "Connection: close\n"
	if strings.Contains(head, "Connection:") {
		closing = ""
	}
	if rest != "" {
		rest += "\n"
	}
	if strings.Contains(head, "chunked") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	raw := strings.ReplaceAll(first+"\nHost: gateway.test\n"+closing+rest+"\n", "\n", "\r\n") + body
	go io.WriteString(conn, raw)
	r := bufio.NewReader(conn)
	var got bytes.Buffer
	method, _, _ := strings.Cut(request, " ")
	for {
		var answer bytes.Buffer
		resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(oneByteReader{r}, &answer)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		text := answer.String()
		end := strings.Index(text, "\r\n\r\n") + 4
		if resp.StatusCode == http.StatusContinue {
			continue // Caddy and the backend both say so, and may say it together
		}
		got.WriteString(text[:end])
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			ws := &webSocket{conn, r}
			ws.echo(t, "hello")
			return clocks.ReplaceAllString(got.String(), "") + "echoed"
		case resp.StatusCode < 200:
			continue
		}
		all, err := io.ReadAll(resp.Body)
		if err != nil && !strings.Contains(first, "status/413") {
			t.Fatalf("%s: %v", first, err)
		}
		fmt.Fprintf(&got, "%s\n%v", all, resp.Trailer)
		return clocks.ReplaceAllString(got.String(), "")
	}
}

// oneByteReader keeps a reader on top of it from taking more than one answer.
type oneByteReader struct{ io.Reader }

func (r oneByteReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }
