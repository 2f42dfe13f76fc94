package plugin_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Of two Caddys that are started at once on one config one serves, and can be
// managed; the other one says why not.
func TestTwoStartsAtOnce(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	g.onSocket(t, siteWith())
	k, token := g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	for range 3 {
		var both [2]*exec.Cmd
		ended := make(chan int, len(both))
		for i := range both {
			both[i] = g.second(t)
			if err := both[i].Start(); err != nil {
				t.Fatal(err)
			}
			go func() {
				_ = both[i].Wait()
				ended <- i
			}()
		}
		var loser int
		select {
		case loser = <-ended:
		case <-time.After(patience):
			t.Fatal("both run")
		}
		winner := both[1-loser]
		await(t, "gateway that serves", func() bool {
			resp, err := g.admin.Get("http://127.0.0.1/keygate/keys/" + k.ID)
			if err == nil {
				resp.Body.Close()
			}
			return err == nil && resp.StatusCode == http.StatusOK
		})
		if why := both[loser].Stderr.(*bytes.Buffer).String(); !strings.Contains(why, "in use by process ") {
			t.Errorf("one ended for another reason: %s", why)
		}
		if resp := g.get(t, token); resp.Status != 200 {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
		if err := winner.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-ended
	}
}

// After kill -9 a socket and its second name are left. They are no hindrance.
func TestStartAfterAKill(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	socket := g.onSocket(t, siteWith())
	k, _ := g.createKey(t, "--scope", "posts:read")
	for range 2 {
		awaitLink(t, socket+".keygate")
		g.kill9(t)
		for _, name := range []string{socket, socket + ".keygate"} {
			if _, err := os.Lstat(name); err != nil {
				t.Fatal(err)
			}
		}
		g.start(t)
		await(t, "second name of the new socket", func() bool {
			one, err := os.Lstat(socket)
			other, otherErr := os.Lstat(socket + ".keygate")
			return err == nil && otherErr == nil && os.SameFile(one, other)
		})
		if r := g.cli(t, "keygate", "show", k.ID); r.Code != 0 {
			t.Errorf("show: %s", r.Stderr)
		}
	}
}

// A reload is held to the same, but for addresses of its own process in another
// form.
func TestReloadToAddresses(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	_, token := g.createKey(t, "--scope", "posts:read")
	port := g.URL[strings.LastIndex(g.URL, ":")+1:]
	for _, address := range []string{"http://127.0.0.1:" + port, ":" + port, "http://localhost:" + port, ":" + port} {
		if r := g.reload(t, strings.Replace(siteWith(), ":{$PORT}", address, 1)); r.Code != 0 {
			t.Errorf("to %s: %s", address, r.Stderr)
		}
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token), "Host: localhost:"+port); resp.Status != 200 {
			t.Errorf("at %s: %d %s", address, resp.Status, resp.Body)
		}
	}

	other := startCaddy(t, ":{$PORT} {\n\trespond hello\n}\n")
	socket := filepath.Join(t.TempDir(), "site.sock")
	if r := other.reload(t, ":{$PORT} {\n\trespond hello\n}\nhttp:// {\n\tbind unix/"+socket+"\n\trespond hello\n}\n"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	taken := other.URL[strings.LastIndex(other.URL, ":")+1:]
	for _, more := range []struct{ site, address string }{
		{":" + taken + " {\n\trespond hello\n}\n", ":" + taken},
		{"http:// {\n\tbind unix/" + socket + "\n\trespond hello\n}\n", socket},
	} {
		if r := g.reload(t, siteWith()+more.site); r.Code != 1 || !strings.Contains(r.Stderr, more.address+" is in use by process ") {
			t.Errorf("with %s: %+v", more.site, r)
		}
		if resp := g.get(t, token); resp.Status != 200 {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
		if r := g.cli(t, "keygate", "health"); r.Code != 0 || strings.Contains(r.Stderr, "warning") {
			t.Errorf("health: %+v", r)
		}
	}
	if resp := other.do(t, "GET", "", ""); resp.Status != 200 || resp.Body != "hello" {
		t.Errorf("the other: %d %s", resp.Status, resp.Body)
	}
	if r := g.reload(t, siteWith()+":"+freePort(t)+" {\n\trespond hello\n}\n"); r.Code != 0 {
		t.Errorf("to a free port: %s", r.Stderr)
	}
}

// Caddy shares the port of its admin endpoint, too: a revocation would end up in
// one of the two.
func TestSecondGatewayOnTheSameAdminPort(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")
	second := g.second(t, "PORT="+freePort(t))
	second.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(second.Dir, "Caddyfile"), []byte(siteWith()), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, second, g.Admin+" is in use by process ", "caddy reload")
	for range 5 {
		if r := g.cli(t, "keygate", "show", k.ID); r.Code != 0 {
			t.Errorf("show: %s", r.Stderr)
		}
	}
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}

// validate and the commands that read a config look at nothing and take nothing.
func TestValidateBesideAGateway(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	socket := g.onSocket(t, siteWith())
	for _, args := range [][]string{
		{"validate", "--config", "Caddyfile"},
		{"adapt", "--config", "Caddyfile", "--validate"},
		{"keygate", "routes", "Caddyfile"},
	} {
		if r := g.cli(t, args...); r.Code != 0 {
			t.Errorf("caddy %v: %s", args, r.Stderr)
		}
	}
	if r := g.cli(t, "keygate", "health", "--address", "unix/"+socket); r.Code != 0 {
		t.Errorf("health: %s", r.Stderr)
	}
}
