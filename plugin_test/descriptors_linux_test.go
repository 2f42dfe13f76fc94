package plugin_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shortage leaves a gateway no more than a few descriptors, and has connections
// take them that send nothing.
func (g *gateway) shortage(t testing.TB) (conns []net.Conn) {
	t.Helper()
	_, open := g.resources(t)
	var limit unix.Rlimit
	if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = uint64(open + 20)
	if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		for range 60 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conns = append(conns, conn)
		}
		for soon := time.Now().Add(5 * time.Second); time.Now().Before(soon); time.Sleep(time.Millisecond) {
			if g.taken(t, int(limit.Cur)) == int(limit.Cur) {
				return conns
			}
		}
		// Where this machine was busy, the server's timeouts may have ended all of them
		// before anybody looked.
		for _, conn := range conns {
			conn.Close()
		}
		conns = nil
	}
	t.Fatal("not all descriptors are taken")
	return nil
}

// taken returns how many of the first descriptors are open.
func (g *gateway) taken(t testing.TB, first int) (taken int) {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if n, err := strconv.Atoi(fd.Name()); err == nil && n < first {
			taken++
		}
	}
	return taken
}

// readHeader is site with a timeout for the header of a request.
func readHeader(t testing.TB, timeout time.Duration, options ...string) string {
	t.Helper()
	return substitute(t, siteWith(options...), "\tkeygate {\n\t\tstore", fmt.Sprintf("\tservers {\n\t\ttimeouts {\n\t\t\tread_header %v\n\t\t}\n\t}\n\tkeygate {\n\t\tstore", timeout))
}

// answers reports whether the admin endpoint answers a call over a connection of
// its own.
func (g *gateway) answers(t testing.TB, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := attempt(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "GET", "http://"+g.Admin+"/keygate/health", "", nil)
	return err == nil
}

// Who takes all descriptors keeps new connections out, those of admins too. On
// those that there are all goes on: requests, limits, and changes of keys, since
// the store keeps its file open. Nothing has to be restarted afterwards.
func TestDescriptorsRunOut(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, readHeader(t, time.Hour, "auth_failures off"), "BACKEND="+b.Addr) // or the shortage ends by itself
	used, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000000")
	k, revoked := g.createKey(t, "--scope", "posts:read")
	if resp := g.get(t, revoked); resp.Status != 200 {
		t.Fatal(resp.Body)
	}
	l := &load{stop: make(chan struct{})}
	l.worker(func() {
		if resp := g.get(t, token); resp.Status != 200 {
			t.Errorf("over a connection that there is, answered %d %s", resp.Status, resp.Body)
		}
	})
	for deadline := time.Now().Add(patience); l.requests.Load() < 10 && time.Now().Before(deadline); {
		g.adminDo(t, "GET", "/keygate/health", "")
	}
	conns := g.shortage(t)

	// The commands find nobody, and say so.
	health := make(chan result, 1)
	go func() { health <- g.cli(t, "keygate", "health") }()
	if resp := g.adminDo(t, "POST", "/keygate/keys/"+k.ID+"/revoke", ""); resp.Status != 200 {
		t.Errorf("revoke: %d %s", resp.Status, resp.Body)
	}
	for method, call := range map[string]string{"POST": `{"workspace":"acme","name":"new","scopes":["posts:read"]}`, "GET": ""} {
		if resp := g.adminDo(t, method, "/keygate/keys", call); resp.Status/100 != 2 {
			t.Errorf("%s: %d %s", method, resp.Status, resp.Body)
		}
	}
	if resp := g.load(t, siteWith("ratelimit_headers off")); resp.Status == 200 || !strings.Contains(resp.Body, "too many open files") {
		t.Errorf("a reload without descriptors: %d %s", resp.Status, resp.Body)
	}
	if r := <-health; r.Code != 1 || !strings.Contains(r.Stderr, "no answer came within 10s") {
		t.Errorf("health: %+v", r)
	}
	if lines := g.logged(t, func(entry map[string]any) bool {
		msg, _ := entry["msg"].(string)
		return entry["level"] == "info" && strings.Contains(msg, "too many open files") && strings.Contains(msg, g.Admin)
	}); len(lines) == 0 {
		t.Error("the log does not say that calls to the admin endpoint cannot be accepted")
	}

	for _, conn := range conns {
		conn.Close()
	}
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || r.Stdout != "ready\n" || strings.Contains(r.Stderr, "warning") {
		t.Errorf("afterwards, health: %+v", r)
	}
	l.end()
	if resp := g.load(t, siteWith("ratelimit_headers off")); resp.Status != 200 {
		t.Errorf("afterwards, a reload: %d %s", resp.Status, resp.Body)
	}
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(revoked)), 401, "key_revoked")
	if now := g.charged(t, used.ID); now != int(l.requests.Load()) {
		t.Errorf("%d uses are counted of %d", now, l.requests.Load())
	}
	if failed := byLabel(g.metrics(t)["caddy_keygate_store_errors_total"])[""]; failed != 0 {
		t.Errorf("the store failed %v times", failed)
	}
}

// Timeouts of the server end such connections without anybody's help.
func TestTimeoutsFreeDescriptors(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	const timeout = time.Second
	g := startCaddy(t, readHeader(t, timeout), "BACKEND="+b.Addr)
	token := g.token(t, "--scope", "posts:read")
	g.client.CloseIdleConnections()
	begun := time.Now()
	g.shortage(t)
	if g.answers(t, 200*time.Millisecond) && time.Since(begun) < timeout {
		t.Error("there was no shortage")
	}
	if !g.answers(t, patience) {
		t.Error("no answer after the timeout")
	}
	// The timeout ends a connection of this client, too, which is slow to write to it.
	await(t, "answer to a request", func() bool {
		resp, err := attempt(t.Context(), g.client, "GET", g.URL+"/v1/posts", "", []string{bearer(token)})
		return err == nil && resp.Status == 200
	})
}
