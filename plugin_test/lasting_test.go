package plugin_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// lastingSite is served over HTTP/1.1 in the clear, and over HTTP/2 and 3.
const lastingSite = `
{
	auto_https disable_redirects
	skip_install_trust
	servers {
		timeouts {
			read_body_idle 1h
			write_idle 1h
		}
	}
	keygate {
		store bbolt ./data/keygate.db
	}
	log {
		level DEBUG
	}
}
(gateway) {
	log
	keygate {
		scope queue:read GET,POST /v1/*
		scope queue:read GET /websocket/echo websocket
	}
	reverse_proxy {$BACKEND} {
		fail_duration 1m
		max_fails 1
	}
}
http://:{$PORT} {
	import gateway
}
https://localhost:{$TLS_PORT} {
	tls internal
	import gateway
}
`

// lastingKinds are those of the backend, and whether their answer begins.
var lastingKinds = map[string]bool{
	"events": true, "poll": false, "endless": true, "unread": true, "sized": true, "upload": false, "stalled": false,
}

// lastingGateway is a gateway with its clients, by protocol.
type lastingGateway struct {
	*gateway
	backend *lastingBackend
	clients map[string]*http.Client
	base    map[string]string
}

func startLasting(t testing.TB, store string) *lastingGateway {
	t.Helper()
	return startLastingSite(t, strings.Replace(lastingSite, bboltStore, store, 1))
}

func startLastingSite(t testing.TB, site string) *lastingGateway {
	t.Helper()
	b, port := startLastingBackend(t), freePort(t)
	g := startCaddy(t, site, "BACKEND="+b.Listener.Addr().String(), "TLS_PORT="+port)
	t.Cleanup(func() { close(b.stop) })
	awaitCertificate(t, "127.0.0.1:"+port, "localhost")
	untrusted := &tls.Config{InsecureSkipVerify: true} // the certificate is Caddy's own
	h1, h2, h3 := &http.Transport{}, &http.Transport{TLSClientConfig: untrusted, ForceAttemptHTTP2: true}, &http3.Transport{TLSClientConfig: untrusted.Clone(), QUICConfig: patientQUIC()}
	t.Cleanup(func() {
		h1.CloseIdleConnections()
		h2.CloseIdleConnections()
		h3.Close()
	})
	tlsURL := "https://localhost:" + port
	return &lastingGateway{
		gateway: g, backend: b,
		clients: map[string]*http.Client{"h1": {Transport: h1}, "h2": {Transport: h2}, "h3": {Transport: h3}},
		base:    map[string]string{"h1": g.URL, "h2": tlsURL, "h3": tlsURL},
	}
}

// patientQUIC gives up no sooner than others here: by itself a handshake ends after
// five seconds without a packet.
func patientQUIC() *quic.Config {
	return &quic.Config{MaxIncomingStreams: -1, KeepAlivePeriod: 10 * time.Second, HandshakeIdleTimeout: patience, MaxIdleTimeout: patience}
}

// stream is one request that does not end by itself.
type stream struct {
	kind, proto, name string
	begun, over       *moment // its answer has begun, or the request is on its way; the client sees its end
	status            int     // of an answer that began
	body              []byte  // its end, at most
	err               error   // how it ended; nil: as if it was complete
}

// endlessBody is an upload without an end.
type endlessBody struct{ ctx context.Context }

func (b endlessBody) Read(p []byte) (int, error) {
	select {
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return min(len(p), 32<<10), nil
	}
}

// open starts a request of a kind, which nothing but ctx ends on our side.
func (g *lastingGateway) open(ctx context.Context, t testing.TB, kind, proto, token string) *stream {
	t.Helper()
	s := &stream{kind: kind, proto: proto, name: token + kind + proto, begun: newMoment(), over: newMoment()}
	method, body := "GET", io.Reader(nil)
	if kind == "upload" || kind == "stalled" {
		method, body = "POST", endlessBody{ctx}
	}
	r, err := http.NewRequestWithContext(ctx, method, g.base[proto]+"/v1/"+kind, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Test", s.name)
	go func() {
		defer s.over.now()
		if !lastingKinds[kind] {
			s.begun.now()
		}
		client := g.clients[proto]
		if proto == "h3" && kind == "unread" { // it fills the window of its connection (RFC 9000 §4.1)
			own := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, QUICConfig: patientQUIC()} // as above
			defer own.Close()
			client = &http.Client{Transport: own}
		}
		resp, err := client.Do(r)
		if lastingKinds[kind] {
			s.begun.now()
		}
		if s.err = err; err != nil {
			return
		}
		defer resp.Body.Close()
		s.status = resp.StatusCode
		if kind == "unread" { // the client is busy with other things
			select {
			case <-g.backend.endOf(s.name).happened:
			case <-ctx.Done():
			}
		}
		if kind == "endless" || kind == "unread" || kind == "sized" {
			_, s.err = io.Copy(io.Discard, resp.Body)
		} else {
			s.body, s.err = io.ReadAll(resp.Body)
		}
	}()
	return s
}

// keyEnds are the ways in which keys end, as commands.
var keyEnds = map[string][]string{"revoked": {"revoke"}, "disabled": {"disable"}, "deleted": {"delete", "--yes"}, "expired": nil}

var codeAfter = map[string]string{"revoked": "key_revoked", "disabled": "key_disabled", "deleted": "invalid_key", "expired": "key_expired"}

// Whatever a key has opened ends with it, at every protocol, and what other keys
// have opened on the same connections goes on.
func TestWhatLastsEndsWithItsKey(t *testing.T) {
	t.Parallel()
	g := startLasting(t, bboltStore)
	g.endKeys(t, g.gateway)
}

// What is let through although it would be denied ends with its key as well.
func TestWhatIsReportedEndsWithItsKey(t *testing.T) {
	t.Parallel()
	site := strings.NewReplacer("\tkeygate {\n\t\tscope", "\tkeygate {\n\t\tmode report\n\t\tscope", "scope queue:read", "scope queue:write").Replace(lastingSite)
	g := startLastingSite(t, site)
	g.endKeys(t, g.gateway)
}

// endKeys opens all kinds of streams and ends their keys on another gateway, which
// may be the same.
func (g *lastingGateway) endKeys(t *testing.T, other *gateway) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	unlimited := []string{"--scope", "queue:read", "--per-minute", "1000000", "--per-day", "1000000"}
	neighbour := g.token(t, unlimited...)
	neighbours := g.openAll(ctx, t, neighbour)
	ids, streams := make(map[string]string), make(map[string][]*stream)
	for end, command := range keyEnds {
		if command != nil {
			k, token := g.createKey(t, unlimited...)
			ids[end], streams[end] = k.ID, g.openAll(ctx, t, token)
		}
	}
	for _, all := range streams {
		for _, s := range append(slices.Clip(all), neighbours...) {
			g.backend.begins(t, s.name)
			s.begun.wait(t, s.kind+" over "+s.proto+" begins")
		}
	}
	id, expiring, expiry := g.openExpiring(ctx, t, unlimited)
	ids["expired"], streams["expired"] = id, expiring
	added := g.delays(ctx, t)
	by := make(map[string]time.Time)
	for end, command := range keyEnds {
		if by[end] = expiry; command == nil {
			continue
		}
		if r := other.cli(t, append([]string{"keygate", command[0], ids[end]}, command[1:]...)...); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		by[end] = time.Now()
	}
	for end, all := range streams {
		for _, s := range all {
			t.Run(end+"/"+s.kind+"/"+s.proto, func(t *testing.T) {
				last := by[end].Add(socketGrace)
				s.over.by(t, "the client sees the end", last, added)
				if s.kind != "stalled" { // that backend notices nothing
					g.backend.endOf(s.name).by(t, "the backend sees the end", last, added)
				}
				if end == "expired" && s.over.at.Before(expiry) {
					t.Error("it ended before its key")
				}
				s.check(t, codeAfter[end], added)
			})
		}
	}
	for end, id := range ids {
		g.loggedEnds(t, id, codeAfter[end], len(streams[end]))
	}
	for _, s := range neighbours {
		select {
		case <-s.over.happened:
			t.Errorf("%s over %s of another key has ended: %d %v", s.kind, s.proto, s.status, s.err)
		default:
		}
	}
	t.Logf("the machine adds up to %v to a wait", added())
	resp := g.do(t, "GET", "/v1/nothing", "", bearer(neighbour), "Test: at the end")
	if resp.Status != 200 {
		t.Errorf("a request of another key is answered %d: the backend is held to be down", resp.Status)
	}
	cancel()
	for _, s := range neighbours {
		<-s.over.happened
	}
}

// openAll opens streams of all kinds with a key.
func (g *lastingGateway) openAll(ctx context.Context, t testing.TB, token string) (all []*stream) {
	t.Helper()
	for kind := range lastingKinds {
		for _, proto := range []string{"h1", "h2", "h3"} {
			all = append(all, g.open(ctx, t, kind, proto, token))
		}
	}
	return all
}

// openExpiring opens them with a key that expires soon, but not before they have begun:
// where the machine needs longer for that, another key has longer.
func (g *lastingGateway) openExpiring(ctx context.Context, t testing.TB, flags []string) (id string, all []*stream, expiry time.Time) {
	t.Helper()
	for left := 10 * time.Second; ; left *= 2 {
		expiry = time.Now().Truncate(time.Second).Add(left) // expiries are whole seconds
		last := left > 2*time.Minute
		r := g.cli(t, slices.Concat([]string{"keygate", "create", "--json", "--workspace", "acme", "--name", "test", "--expires-at", expiry.Format(time.RFC3339)}, flags)...)
		if !last && !time.Now().Before(expiry) {
			continue
		}
		var created struct {
			Key   key
			Token string
		}
		if err := json.Unmarshal([]byte(r.Stdout), &created); err != nil || r.Code != 0 {
			t.Fatalf("%d %v %s", r.Code, err, r.Stderr)
		}
		some, cancel := context.WithCancel(ctx)
		t.Cleanup(cancel)
		all = g.openAll(some, t, created.Token)
		for _, s := range all {
			select {
			case <-g.backend.beginOf(s.name).happened:
			case <-s.over.happened: // too late
			case <-time.After(patience):
				t.Fatalf("%s over %s does not begin", s.kind, s.proto)
			}
			s.begun.wait(t, s.kind+" over "+s.proto+" begins")
		}
		if time.Now().Before(expiry) {
			return created.Key.ID, all, expiry
		} else if last {
			t.Fatalf("not all had begun after %v", left)
		}
		cancel()
	}
}

// loggedEnds fails unless the access log says of all requests of a key why they ended.
func (g *lastingGateway) loggedEnds(t testing.TB, id, code string, want int) {
	t.Helper()
	ended := 0
	await(t, "all requests are logged", func() bool {
		entries := g.logged(t, func(entry map[string]any) bool {
			of, ok := entry["keygate"].(map[string]any)
			return entry["msg"] == "handled request" && ok && of["key_id"] == id && of["ended"] == code
		})
		ended = len(entries)
		return ended >= want
	})
	if ended != want {
		t.Errorf("%d requests of key %s are logged to have ended by %s, want %d", ended, id, code, want)
	}
}

// check looks at how a stream ended: what began must not look complete, and what
// did not is refused, or the stream was reset. A gateway that the machine keeps from
// writing for a second may reset where it refuses otherwise.
func (s *stream) check(t testing.TB, code string, added func() time.Duration) {
	t.Helper()
	if lastingKinds[s.kind] {
		if s.status != 200 || s.err == nil {
			t.Errorf("answered %d, and its end is %v", s.status, s.err)
		}
		return
	}
	var p problem
	switch {
	case s.err != nil && (s.proto != "h1" || errors.Is(s.err, io.EOF) || strings.Contains(s.err.Error(), "reset") || strings.Contains(s.err.Error(), "broken pipe")):
	case s.err != nil:
		t.Error(s.err)
	default:
		if err := json.Unmarshal(s.body, &p); err != nil || s.status != 401 || p.Code != code {
			t.Errorf("answered %d %s, want %s", s.status, s.body, code)
		}
	}
	if s.kind == "poll" && s.proto != "h2" && s.err != nil && added() < time.Second {
		t.Errorf("not refused: %v", s.err)
	}
}

// A client that has sent bytes of a next request keeps Go's server from watching
// its connection, and a backend that is silent keeps the handler from writing to
// it. It ends all the same.
func TestPipeliningKeepsNothingOpen(t *testing.T) {
	t.Parallel()
	g := startLasting(t, bboltStore)
	added := g.delays(t.Context(), t)
	for _, kind := range []string{"poll", "events"} {
		t.Run(kind, func(t *testing.T) {
			k, token := g.createKey(t, "--scope", "queue:read")
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /v1/%s HTTP/1.1\r\nHost: x\r\nTest: %s\r\n%s\r\n\r\n", kind, token, bearer(token))
			g.backend.begins(t, token)
			_, _ = io.WriteString(conn, "G")
			g.mustCLI(t, "revoke", k.ID)
			ended := time.Now()
			conn.SetReadDeadline(ended.Add(patience))
			answer, err := io.ReadAll(conn)
			if took := time.Since(ended); errors.Is(err, os.ErrDeadlineExceeded) || took > socketGrace+added() {
				t.Errorf("still open %v after the key's end, where the machine adds %v", took, added())
			}
			if strings.HasSuffix(string(answer), "0\r\n\r\n") {
				t.Errorf("it looks complete: %q", answer)
			}
		})
	}
}
