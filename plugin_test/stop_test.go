package plugin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var gracePeriod = regexp.MustCompile(`(?m)^\s*grace_period (\S+)`)

// Without a grace period one client that reads slowly keeps a gateway from
// stopping for as long as it likes; Caddy alone ends only who reads nothing for a
// minute. So each config that we tell people to begin
// with has one.
func TestConfigsHaveAGracePeriod(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"Caddyfile.example":      readFile(t, "Caddyfile.example"),
		"README.md":              readFile(t, "README.md"),
		"deploy/Caddyfile":       readFile(t, "deploy/Caddyfile"),
		"deploy/kubernetes.yaml": readManifest(t).caddyfile(t),
	} {
		found := gracePeriod.FindStringSubmatch(config)
		if found == nil {
			t.Errorf("%s has no grace_period", name)
			continue
		}
		if d, err := time.ParseDuration(found[1]); err != nil || d <= 0 || d > time.Minute {
			t.Errorf("%s has a grace_period of %s: %v", name, found[1], err)
		}
	}
}

// flood sends without end what is asked of it at /v1/posts/flood, answers at
// /v1/posts/slow once goOn is closed, and all else at once. What comes to
// /v1/posts/slow is told when it has arrived.
func flood(t testing.TB) (address string, slow, goOn chan struct{}) {
	t.Helper()
	slow, goOn = make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/posts/flood":
			for part := make([]byte, 64<<10); ; {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		case "/v1/posts/slow":
			slow <- struct{}{}
			select {
			case <-goOn:
			case <-r.Context().Done():
				return
			}
		}
		io.WriteString(w, "done")
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), slow, goOn
}

// A client that asks and does not read holds a stop up no longer than the grace
// period, under load. Who reads is answered to the end meanwhile, and every use
// is counted.
func TestStopWithAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	const grace = 5 * time.Second
	backend, arrived, goOn := flood(t)
	config := substitute(t, readFile(t, "deploy/Caddyfile"),
		"\tadmin unix//run/keygate/admin.sock|0600\n", "", // the harness has its own
		"grace_period 20s", "grace_period "+grace.String(),
		"/var/lib/keygate/keys.db", madeStore(t),
		"\napi.example.com {", "\nhttp://:{$PORT} {",
		"\nhttp://api.example.com {", "\nhttp://api.example.com:"+freePort(t)+" {",
		"\nhttp://:9180 {", "\nhttp://:"+freePort(t)+" {",
		"127.0.0.1:9000", backend)
	g := startCaddy(t, config)
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000000")
	var used atomic.Int64

	conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /v1/posts/flood HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", bearer(token))
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	used.Add(1) // and now nobody reads

	var stopping atomic.Bool
	var cut atomic.Int64 // of the load: sent while the gateway stops, and not answered
	l := &load{stop: make(chan struct{})}
	for range 3 {
		l.worker(func() {
			var sent atomic.Bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Store(true) }})
			resp, err := attempt(ctx, g.client, "GET", g.URL+"/v1/posts", "", []string{bearer(token)})
			switch {
			case err == nil && resp.Status == 200:
				used.Add(1)
			case !stopping.Load():
				t.Errorf("answered %d, %v", resp.Status, err)
			case sent.Load():
				cut.Add(1)
			}
		})
	}
	var slow sync.WaitGroup
	slow.Go(func() {
		if resp := g.do(t, "GET", "/v1/posts/slow", "", bearer(token)); resp.Status != 200 || resp.Body != "done" {
			t.Errorf("a request that was under way is answered %d %q", resp.Status, resp.Body)
			return
		}
		used.Add(1)
	})
	<-arrived

	stopping.Store(true)
	began := time.Now()
	go func() { // the answer comes once the gateway stops, and then has all of the grace period
		defer close(goOn)
		for tick := time.Tick(10 * time.Millisecond); ; <-tick {
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	g.stop(t)
	const busy = 30 * time.Second // that a machine may add; Caddy alone would take a minute
	if took := time.Since(began); took < grace/2 || took > grace+busy {
		t.Errorf("the stop took %v, with a grace period of %v", took, grace)
	}
	if cut := g.logged(t, func(entry map[string]any) bool {
		return entry["error"] == fmt.Sprintf("server graceful shutdown %v timeout", grace)
	}); len(cut) == 0 {
		t.Error("the log does not say that somebody was cut off")
	}
	l.end()
	slow.Wait()
	g.start(t)
	if now, least := g.charged(t, k.ID), int(used.Load()); now < least || now > least+int(cut.Load()) {
		t.Errorf("%d uses are counted, %d were answered, and %d perhaps cut off", now, least, cut.Load())
	}
}

// A reload answers to the end what it finds under way, and counts it once.
func TestReloadAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	backend, arrived, goOn := flood(t)
	g := startCaddy(t, siteWith(), "BACKEND="+backend)
	k, token := g.createKey(t, "--scope", "posts:read")
	var slow sync.WaitGroup
	slow.Go(func() {
		resp, err := attempt(t.Context(), g.client, "GET", g.URL+"/v1/posts/slow", "", []string{bearer(token)})
		if err != nil || resp.Status != 200 || resp.Body != "done" {
			t.Errorf("answered %d %q, %v", resp.Status, resp.Body, err)
		}
	})
	<-arrived
	if resp := g.load(t, siteWith("ratelimit_headers off")); resp.Status != 200 {
		t.Error(resp.Body)
	}
	close(goOn)
	slow.Wait()
	if n := g.charged(t, k.ID); n != 1 {
		t.Errorf("%d uses are counted", n)
	}
}
