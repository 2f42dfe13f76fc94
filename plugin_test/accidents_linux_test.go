package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What operators do by accident to a gateway that serves. The first gateway must
// not notice, or must be itself again at once; whoever did it is told.

// underLoad sends requests with the key on connections of their own until the
// function that it returns is called, which tells how many were answered by what
// else than 200.
func (g *gateway) underLoad(t testing.TB, token string) (stop func() (sent int, failed []string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var sent atomic.Int64
	var mu sync.Mutex
	var failed []string
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, g.URL+"/v1/posts", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+token)
				sent.Add(1)
				resp, err := client.Do(r)
				what := ""
				if err != nil {
					what = err.Error()
				} else {
					if resp.Body.Close(); resp.StatusCode != http.StatusOK {
						what = resp.Status
					}
				}
				if what != "" {
					mu.Lock()
					failed = append(failed, what)
					mu.Unlock()
				}
			}
		})
	}
	// Some have been sent before what is to happen, and some after it, however slow
	// the machine is.
	more := func() {
		t.Helper()
		enough := sent.Load() + 10
		await(t, "load", func() bool { return sent.Load() >= enough })
	}
	more()
	return func() (int, []string) {
		more()
		cancel()
		clients.Wait()
		return int(sent.Load()), failed
	}
}

// wantUnnoticed fails the test unless all requests were answered well.
func wantUnnoticed(t testing.TB, sent int, failed []string) {
	t.Helper()
	if len(failed) > 0 {
		t.Errorf("of %d requests %d failed, such as %s", sent, len(failed), failed[0])
	}
}

// onSocket moves the admin endpoint of a gateway to a Unix socket, as deploy has
// it.
func (g *gateway) onSocket(t testing.TB, caddyfile string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	g.stop(t)
	g.env = append(g.env, "CADDY_ADMIN=unix/"+path+"|0600")
	g.admin = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	g.writeConfig(t, caddyfile)
	g.start(t)
	return path
}

// second runs Caddy once more on a gateway's folder. What it has to say comes
// when it ends.
func (g *gateway) second(t testing.TB, env ...string) *exec.Cmd {
	t.Helper()
	cmd := g.command(t, t.Context(), "run", "--config", "Caddyfile")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	return cmd
}

// wantRefused runs a second Caddy, which must end at once and say why.
func wantRefused(t testing.TB, cmd *exec.Cmd, words ...string) {
	t.Helper()
	ended := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatalf("the second Caddy ended: %v", err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Fatal("the second Caddy runs")
	}
	saysWhy(t, result{"", cmd.Stderr.(*bytes.Buffer).String(), cmd.ProcessState.ExitCode()}, words...)
}

func TestSecondRunOfTheSameConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, options string }{{"with the global option", ""}, {"of the default store", "default"}} {
		t.Run(test.name, func(t *testing.T) {
			b := startBackend(t)
			config := siteWith()
			if test.options != "" {
				config = strings.Replace(config, globalOption(t, config), "", 1)
			}
			g := startCaddy(t, config, "BACKEND="+b.Addr)
			g.onSocket(t, config)
			k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000", "--burst", "1000000")
			stop := g.underLoad(t, token)
			for range 3 {
				wantRefused(t, g.second(t), "in use by process "+strconv.Itoa(g.cmd.Process.Pid)+" (caddy)", "stop it first")
			}
			sent, failed := stop()
			wantUnnoticed(t, sent, failed)
			if r := g.cli(t, "keygate", "revoke", k.ID); r.Code != 0 {
				t.Errorf("revoke: %s", r.Stderr)
			}
			denied(t, g.get(t, token), 401, "key_revoked")
		})
	}
}

// globalOption returns the global option keygate of a Caddyfile.
func globalOption(t testing.TB, caddyfile string) string {
	t.Helper()
	i := strings.Index(caddyfile, "\tkeygate {\n")
	end := strings.Index(caddyfile[i:], "\n\t}\n")
	if i < 0 || end < 0 {
		t.Fatalf("there is no global option in\n%s", caddyfile)
	}
	return caddyfile[i : i+end+len("\n\t}\n")]
}

// Another store on the same port, or on the same admin endpoint, is as wrong as
// the same store twice.
func TestSecondGatewayOnTheSameAddress(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	tcpAdmin := g.Admin
	socket := g.onSocket(t, siteWith())
	_, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000", "--burst", "1000000")
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "Caddyfile"), []byte(siteWith()), 0o600); err != nil {
		t.Fatal(err)
	}
	pid := "process " + strconv.Itoa(g.cmd.Process.Pid) + " (caddy)"
	port := g.URL[strings.LastIndex(g.URL, ":")+1:]
	for name, test := range map[string]struct{ env, words []string }{
		"the same port":   {[]string{"CADDY_ADMIN=" + tcpAdmin}, []string{port + " is in use by " + pid, "by turns", "stop that one first"}},
		"the same socket": {[]string{"PORT=" + freePort(t)}, []string{socket + " is in use by " + pid, "stop it first", "caddy reload"}},
	} {
		t.Run(name, func(t *testing.T) {
			stop := g.underLoad(t, token)
			second := g.second(t, test.env...)
			second.Dir = other
			wantRefused(t, second, test.words...)
			sent, failed := stop()
			wantUnnoticed(t, sent, failed)
			if r := g.cli(t, "keygate", "health"); r.Code != 0 || !strings.Contains(r.Stderr, "process "+strconv.Itoa(g.cmd.Process.Pid)+" has") || strings.Contains(r.Stderr, "warning") {
				t.Errorf("health: %+v", r)
			}
		})
	}
}

// A Caddy without Keygate takes socket and port all the same. The gateway says so
// while it lasts, and has its socket again afterwards.
func TestSocketAndPortTakenByABareCaddy(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	socket := g.onSocket(t, siteWith())
	k, token := g.createKey(t, "--scope", "posts:read")
	awaitLink(t, socket+".keygate")

	second := g.second(t)
	second.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(second.Dir, "Caddyfile"), []byte(":{$PORT} {\n\trespond hello\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Wait() }()
	by := `"by":"process ` + strconv.Itoa(second.Process.Pid) + ` (caddy)"`
	g.awaitLog(t, "has taken away a socket of this one", `"address":"`+socket+`"`, by)
	g.awaitLog(t, "the two answer by turns", by)
	// By its second name the gateway can still be managed.
	if r := g.cli(t, "keygate", "health", "--address", "unix/"+socket+".keygate"); r.Code != 0 ||
		!strings.Contains(r.Stderr, "warning: "+socket+" is in use by process") || !strings.Contains(r.Stderr, "[::]:"+g.URL[strings.LastIndex(g.URL, ":")+1:]+" is in use by process") {
		t.Errorf("health: %+v", r)
	}
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the second Caddy: %v\n%s", err, second.Stderr)
	}
	g.awaitLog(t, "had lost its name to another process, and has it again")
	// The look that gave the socket back may have been one too early for the port.
	g.awaitLog(t, "no other process has this address any more", `"address":"[::]`+portOf(g.URL)+`"`)
	if r := g.cli(t, "keygate", "revoke", k.ID); r.Code != 0 {
		t.Errorf("revoke: %s", r.Stderr)
	}
	denied(t, g.get(t, token), 401, "key_revoked")
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || strings.Contains(r.Stderr, "warning") {
		t.Errorf("health: %+v", r)
	}
	if r := g.reload(t, siteWith()); r.Code != 0 {
		t.Errorf("reload: %s", r.Stderr)
	}
	g.stop(t)
	if left, err := os.ReadDir(filepath.Dir(socket)); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func awaitLink(t testing.TB, path string) {
	t.Helper()
	await(t, path, func() bool { _, err := os.Lstat(path); return err == nil })
}
