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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
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
	g.admin = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", g.path("admin.sock"))
		},
	}}
	// Guided by the profile of cmd/caddy, the build would take minutes more.
	build := exec.CommandContext(ctx, "go", "build", "-pgo=off", "-o", g.path("caddy"), "github.com/socialpatra/keygate/cmd/caddy") //nolint:gosec // the folder is our own
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/caddy: %w\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	return g, os.WriteFile(g.path("Caddyfile"), fmt.Appendf(nil, caddyfile, dir, port), 0o600)
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g *gateway) store() string { return g.path("data/keygate.db") }

// command runs a subcommand with nothing of the user's own Caddy in reach.
func (g *gateway) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.path("caddy"), args...) //nolint:gosec // what we built, with our own arguments
	cmd.Dir = g.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir,
		"XDG_CONFIG_HOME=" + g.dir, "XDG_DATA_HOME=" + g.dir,
	}
	return cmd
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

// memory returns a line of the process's status, in bytes: VmRSS is what it
// has now, VmHWM what it had at most.
func (g *gateway) memory(name string) int64 {
	kB, _ := strconv.ParseInt(strings.TrimSuffix(figures.FieldOf(g.proc("status"), name), " kB"), 10, 64)
	return kB * 1024
}

// cpu returns the processor time that the process has used.
func (g *gateway) cpu() time.Duration {
	text, _ := os.ReadFile(g.proc("stat"))
	_, rest, _ := strings.Cut(string(text), ") ") // its name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	const ticks = 100 // per second, on every Linux that Go runs on
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks
}

func (g *gateway) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", g.cmd.Process.Pid, name)
}
