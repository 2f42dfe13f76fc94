//go:build soak

package plugin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// account is a key of which the client knows every use.
type account struct {
	name, id, token string

	allowed, limited, denied atomic.Int64 // as the client was told
	cancelled                atomic.Int64 // given up by the client: counted or not, nobody can say
	cut                      atomic.Int64 // without an answer for no fault of the client: never counted

	// Of a limited key: when it was asked for the first time and was answered that, when
	// it was answered last, and when it was asked last of those times that it was refused.
	asked, first, last, empty time.Time
	paused                    time.Duration // without an answer for so long that the bucket may have been full
}

func (s *soak) account(name string, flags ...string) *account {
	k, token := s.g.createKey(s.t, append([]string{"--name", name}, flags...)...)
	a := &account{name: name, id: k.ID, token: token}
	s.accounts = append(s.accounts, a)
	return a
}

// unlimited are limits that the soak does not reach.
var unlimited = []string{"--scope", "posts:read,posts:write,queue:read", "--per-minute", "1000000", "--per-day", "1000000000"}

// every runs one request after another until the load ends, each no sooner than
// pause after the one before has begun.
func (s *soak) every(name string, pause time.Duration, request func()) {
	n := new(atomic.Int64)
	s.kinds = append(s.kinds, kind{name, n})
	s.workers.Go(func() {
		tick := time.NewTicker(max(pause, 1))
		defer tick.Stop()
		for {
			request()
			n.Add(1)
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
		}
	})
}

// fault is an answer that the client's model excludes.
func (s *soak) fault(format string, args ...any) {
	if s.faults.Add(1) <= 20 {
		s.t.Errorf(format, args...)
	}
}

// ask sends a request until it is answered: a reload resets connections that
// nobody had accepted, and such a request was not decided.
func (s *soak) ask(a *account, method, path string, body func() io.Reader, headers ...string) response {
	for range 20 {
		r, err := http.NewRequestWithContext(s.t.Context(), method, s.g.URL+path, body())
		if err != nil {
			s.fault("%v", err)
			return response{}
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		resp, err := s.g.client.Do(r)
		if err == nil {
			answer, err := readBody(resp)
			if err != nil {
				s.fault("%s %s: the answer ends early: %v", method, path, err)
			}
			return answer
		}
		s.cut.Add(1)
		if a != nil {
			a.cut.Add(1)
		}
	}
	s.fault("%s %s: no answer to twenty requests", method, path)
	return response{}
}

func noBody() io.Reader { return nil }

func bodyOf(n int) func() io.Reader {
	return func() io.Reader { return strings.NewReader(strings.Repeat("b", n)) }
}

// trickle is a body of n bytes, one in 20 ms.
func trickle(n int) func() io.Reader {
	return func() io.Reader {
		r, w := io.Pipe()
		go func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range n {
				<-tick.C
				if _, err := io.WriteString(w, "t"); err != nil {
					return
				}
			}
			w.Close()
		}()
		return r
	}
}

// passes has requests with a key that is good for them.
func (s *soak) passes(name string, pause time.Duration, method, path string, length int, body func() io.Reader) {
	a := s.account(name, unlimited...)
	s.every(name, pause, func() {
		resp := s.ask(a, method, path, body, bearer(a.token))
		want := fmt.Sprintf("%s %d", a.id, length)
		if method == http.MethodHead {
			want = ""
		}
		if resp.Status != 200 || resp.Body != want {
			s.fault("%s: answered %d %.200s, want %q", name, resp.Status, resp.Body, want)
			return
		}
		a.allowed.Add(1)
	})
}

// refused has requests that must be refused, one kind after the other.
func (s *soak) refused(pause time.Duration) {
	a := s.account("denied", "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000000")
	revoked := s.account("revoked", unlimited...)
	s.g.mustCLI(s.t, "revoke", revoked.id)
	foreign := s.account("another address", append([]string{"--ip", "203.0.113.7"}, unlimited...)...)
	kinds := []struct {
		a            *account // whose denial it is: those of a key that is in force are counted
		method, path string
		token        string
		status       int
		code         string
	}{
		{nil, "GET", "/v1/posts", "", 401, "missing_key"},
		{nil, "GET", "/v1/posts", noSuchKeyWithID("000000000000"), 401, "invalid_key"},
		{nil, "GET", "/v1/posts", noSuchKeyWithID(a.id), 401, "invalid_key"},
		{nil, "GET", "/v1/posts", flipLast(a.token), 401, "invalid_key"},
		{a, "POST", "/v1/posts", a.token, 403, "insufficient_scope"},
		{a, "GET", "/v1/socket", a.token, 403, "insufficient_scope"},
		{a, "GET", "/v1/none", a.token, 403, "route_not_mapped"},
		{nil, "GET", "/v1/x/../posts", a.token, 400, "ambiguous_path"},
		{nil, "GET", "/v1/posts", revoked.token, 401, "key_revoked"},
		{foreign, "GET", "/v1/posts", foreign.token, 403, "ip_not_allowed"},
	}
	next := 0
	s.every("refused", pause, func() {
		k := kinds[next%len(kinds)]
		next++
		headers := []string{soakRefused + ": " + k.code}
		if k.token != "" {
			headers = append(headers, bearer(k.token))
		}
		resp := s.ask(k.a, k.method, k.path, noBody, headers...)
		if resp.Status != k.status || !strings.Contains(resp.Body, `"code":"`+k.code+`"`) {
			s.fault("%s %s: answered %d %.200s, want %d %s", k.method, k.path, resp.Status, resp.Body, k.status, k.code)
			return
		}
		if k.a != nil {
			k.a.denied.Add(1)
		}
	})
}

// limited has requests of keys that are over their limits most of the time.
func (s *soak) limited(a *account, pause time.Duration, code string) {
	s.every(a.name, pause, func() {
		asked := time.Now()
		resp := s.ask(a, "GET", "/v1/posts", noBody, bearer(a.token))
		now := time.Now()
		if a.first.IsZero() {
			a.asked, a.first, a.last = asked, now, now
		}
		if pause := now.Sub(a.last); pause > soakBurst/2*time.Second {
			a.paused += pause
		}
		if a.last = now; resp.Status == 429 {
			a.empty = asked
		}
		switch {
		case resp.Status == 200:
			a.allowed.Add(1)
		case resp.Status == 429 && strings.Contains(resp.Body, `"code":"`+code+`"`):
			a.limited.Add(1)
		default:
			s.fault("%s: answered %d %.200s", a.name, resp.Status, resp.Body)
		}
	})
}

// malformed has requests in bytes that no library sends.
func (s *soak) malformed(pause time.Duration) {
	a := s.account("malformed", unlimited...)
	kinds := []struct {
		request string
		status  int // if there is an answer
	}{
		{"GET /v1/posts HTTP/1.1\nHost: x\nSoak-Refused: two keys\nAuthorization: Bearer TOKEN\nAuthorization: Bearer TOKEN\nConnection: close\n\n", 400},
		{"GET /v1/posts%2f1 HTTP/1.1\nHost: x\nSoak-Refused: encoded slash\nAuthorization: Bearer TOKEN\nConnection: close\n\n", 400},
		{"GET /v1/posts HTTP/1.1\nHost: x\nHost: y\nSoak-Refused: two hosts\nAuthorization: Bearer TOKEN\nConnection: close\n\n", 400},
		{"BREW /v1/posts HTTP/1.1\nHost: x\nSoak-Refused: method\nAuthorization: Bearer TOKEN\nConnection: close\n\n", 405},
		{"GET /v1/posts\n\n", 400},
		{"POST /v1/posts HTTP/1.1\nHost: x\nSoak-Refused: length and chunks\nAuthorization: Bearer TOKEN\nContent-Length: x\nConnection: close\n\n", 400},
		{"GET /v1/posts HTTP/1.1\nHost: x\nSoak-Refused: large\nLarge: " + strings.Repeat("x", 1<<20+8192) + "\nAuthorization: Bearer TOKEN\n\n", 431},
	}
	next := 0
	s.every("malformed", pause, func() {
		k := kinds[next%len(kinds)]
		next++
		conn := s.dial()
		if conn == nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, strings.ReplaceAll(strings.ReplaceAll(k.request, "TOKEN", a.token), "\n", "\r\n"))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			s.cut.Add(1) // also where the gateway does not read what it refuses
			return
		}
		resp.Body.Close()
		if resp.StatusCode != k.status {
			s.fault("%.60q: answered %d, want %d", k.request, resp.StatusCode, k.status)
		}
	})
}

func (s *soak) dial() net.Conn {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.g.URL, "http://"))
	if err != nil {
		s.cut.Add(1)
		return nil
	}
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// cancelled has requests that the client gives up: while it sends the body, while
// it waits for the answer, and while it reads it.
func (s *soak) cancelled(pause time.Duration) {
	a := s.account("cancelled", unlimited...)
	kinds := []struct {
		method, path string
		body         func() io.Reader
		read         int64 // of the answer, before the client gives up
	}{
		{"POST", "/v1/posts", trickle(1000), 0},
		{"POST", "/v1/posts", bodyOf(8 << 20), 0},
		{"GET", "/v1/slow", noBody, 0},
		{"GET", "/v1/stream", noBody, 100 << 10},
	}
	s.every("cancelled", pause, func() {
		k := kinds[rand.IntN(len(kinds))]
		ctx, cancel := context.WithCancel(s.t.Context())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, k.method, s.g.URL+k.path, k.body())
		if err != nil {
			s.fault("%v", err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+a.token)
		if k.read == 0 {
			defer time.AfterFunc(rand.N(60*time.Millisecond), cancel).Stop()
		}
		resp, err := s.g.client.Do(r)
		if err != nil {
			a.cancelled.Add(1)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			s.fault("%s %s: answered %d", k.method, k.path, resp.StatusCode)
			return
		}
		a.allowed.Add(1)
		io.CopyN(io.Discard, resp.Body, k.read)
	})
}

// socket opens a WebSocket; nil if no answer came.
func (s *soak) socket(a *account) *webSocket {
	conn := s.dial()
	if conn == nil {
		return nil
	}
	fmt.Fprintf(conn, "GET /v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n\r\n", bearer(a.token))
	ws := &webSocket{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(ws.r, nil)
	if err != nil {
		conn.Close()
		s.cut.Add(1)
		a.cut.Add(1)
		return nil
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		conn.Close()
		s.fault("%s: answered %d", a.name, resp.StatusCode)
		return nil
	}
	a.allowed.Add(1)
	return ws
}

// talk sends some bytes through a socket and wants them back.
func (ws *webSocket) talk() error {
	const words = "\x81\x85\x00\x00\x00\x00hello"
	if _, err := io.WriteString(ws.conn, words); err != nil {
		return err
	}
	got := make([]byte, len(words))
	if _, err := io.ReadFull(ws.r, got); err != nil {
		return err
	}
	if string(got) != words {
		return fmt.Errorf("echoed %q", got)
	}
	return nil
}

// keptSockets has sockets of a key that stays good. They outlive reloads for as
// long as the config says.
func (s *soak) keptSockets(pause time.Duration) {
	a := s.account("sockets", unlimited...)
	s.every("sockets", pause, func() {
		ws := s.socket(a)
		if ws == nil {
			return
		}
		defer ws.conn.Close()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for opened := time.Now(); time.Since(opened) < streamCloseDelay; {
			if err := ws.talk(); err != nil {
				if age := time.Since(opened); age < streamCloseDelay-time.Second {
					s.fault("a socket of a good key ended after %v: %v", age, err)
				}
				return
			}
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
		}
	})
}

// killedSockets revokes the key of a socket, which must end.
func (s *soak) killedSockets(pause time.Duration) {
	s.every("sockets of revoked keys", pause, func() {
		a := &account{name: "socket to be ended"}
		if a.id, a.token = s.createByAPI("ended"); a.id == "" {
			return
		}
		opened := time.Now()
		ws := s.socket(a)
		if ws == nil {
			return
		}
		defer ws.conn.Close()
		if err := ws.talk(); err != nil {
			if time.Since(opened) < streamCloseDelay-time.Second {
				s.fault("a new socket: %v", err)
			}
			return
		}
		if !s.revokeByAPI(a.id) {
			return
		}
		s.wantRevoked(a.token)
		// Later than this a reload might be what ends it.
		ws.conn.SetReadDeadline(time.Now().Add(streamCloseDelay - time.Second))
		if _, err := io.Copy(io.Discard, ws.r); errors.Is(err, os.ErrDeadlineExceeded) {
			s.fault("a socket is open more than %v after its key was revoked", socketGrace)
		}
	})
}
