package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/socialpatra/keygate/bench/internal/process"
)

// gateway is a Caddy with Keygate in a folder of its own. Its admin endpoint
// is a unix socket there, its site a free port of loopback.
type gateway struct {
	dir   string
	admin *http.Client
	cmd   *exec.Cmd // nil: not running
}

const caddyfile = `{
	admin unix/%[1]s/admin.sock
	keygate {
		store bbolt %[1]s/data/keygate.db
	}
}
http://127.0.0.1:%[2]s {
	keygate {
		scope posts:read GET /v1/posts
	}
	respond ok
}
`

func buildGateway(ctx context.Context, dir string) (*gateway, error) {
	g := &gateway{dir: dir}
	g.admin = process.Admin(g.path("admin.sock"))
	// Guided by the profile of cmd/caddy, the build would take minutes more.
	build := exec.CommandContext(ctx, "go", "build", "-o", g.path("caddy"), "github.com/socialpatra/keygate/cmd/caddy") //nolint:gosec // the folder is our own
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/caddy: %w\n%s", err, out)
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	return g, os.WriteFile(g.path("Caddyfile"), fmt.Appendf(nil, caddyfile, dir, port), 0o600)
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g *gateway) store() string { return g.path("data/keygate.db") }

func (g *gateway) command(ctx context.Context, args ...string) *exec.Cmd {
	return process.Caddy(ctx, g.path("caddy"), g.dir, args...)
}

// start returns how long it took until the gateway served.
func (g *gateway) start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(g.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close() // the process has its own copy
	cmd := g.command(ctx, "run", "--config", "Caddyfile")
	cmd.Stdout, cmd.Stderr = log, log
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	g.cmd = cmd
	for deadline := begin.Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if g.get(ctx, "/keygate/keys", url.Values{"limit": {"1"}}) == nil {
			return time.Since(begin), nil
		}
	}
	text, _ := os.ReadFile(g.path("log"))
	return 0, fmt.Errorf("the gateway does not start: %s", text)
}

func (g *gateway) stop() error {
	g.admin.CloseIdleConnections()
	cmd := g.cmd
	g.cmd = nil
	return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
}

func (g *gateway) kill() {
	if g.cmd != nil {
		_ = g.cmd.Process.Kill() // may have ended
		_ = g.cmd.Wait()
	}
}

// get reads an answer of the admin API.
func (g *gateway) get(ctx context.Context, path string, query url.Values) error {
	_, err := g.read(ctx, path, query)
	return err
}

func (g *gateway) read(ctx context.Context, path string, query url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := g.admin.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, resp.Status, text)
	}
	return text, err
}

// resident tells what the process has in memory, and how much of that the
// system can take back at any time, because it is of files.
func (g *gateway) resident() string {
	return fmt.Sprintf("%s, of which %s of files", megabytes(g.memory("VmRSS")), megabytes(g.memory("RssFile")))
}

// memory and cpu are zero where the system does not tell.
func (g *gateway) memory(name string) int64 {
	bytes, _ := process.Memory(g.cmd.Process.Pid, name)
	return bytes
}

func (g *gateway) cpu() time.Duration {
	used, _ := process.CPU(g.cmd.Process.Pid)
	return used
}
