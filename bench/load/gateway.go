package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/socialpatra/keygate/bench/internal/process"
)

// gateway is a running Caddy with a folder of its own. Its admin endpoint is a
// unix socket there, its site a free port of loopback.
type gateway struct {
	dir   string
	addr  string
	admin *http.Client
	cmd   *exec.Cmd
}

// Both configurations pass everything on to the backend.
const (
	bare = `{
	admin unix/{dir}/admin.sock
}
http://:{port} {
	bind 127.0.0.1
	reverse_proxy {backend}
}
`
	// guarded has every option of docs/reference.md. Only limits are so high that
	// nothing is refused that should not be.
	guarded = `{
	admin unix/{dir}/admin.sock
	keygate {
		store bbolt {dir}/keygate.db
		key_prefix patra
		workspace_limits 1000000000/min 1000000000/day
	}
}
http://:{port} {
	bind 127.0.0.1
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
		}
		scope posts:write {
			POST /v1/posts
			PUT,PATCH /v1/posts/{id}
		}
		scope posts:approve POST /v1/posts/{id}/approve
		scope posts:write media:upload {
			POST /v1/posts/with-media
		}
		scope analytics:read GET /v1/analytics/*
		scope ai:generate POST /v1/ai/* cost=5
		scope queue:read GET /v1/queue/live websocket
		authenticated GET /v1/me
		public GET /v1/status

		header X-API-Key
		missing_origin deny
		identity_prefix SocialPatra-
		errors problem
		auth_failures 1000000
		ratelimit_headers on
		cors {
			allow_headers Content-Type
			max_age 10m
		}
	}
	reverse_proxy {backend}
}
`
)

// startGateway returns when it serves.
func startGateway(ctx context.Context, binary, dir, config, backend string) (*gateway, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	g := &gateway{dir: dir, addr: addr}
	_, port, _ := net.SplitHostPort(g.addr)
	config = strings.NewReplacer("{dir}", dir, "{port}", port, "{backend}", backend).Replace(config)
	if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	g.admin = process.Admin(g.path("admin.sock"))
	g.admin.Timeout = profileTime + patience // the longest answer is a profile
	log, err := os.OpenFile(g.path("log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own copy
	g.cmd = g.command(ctx, binary, "run", "--config", "Caddyfile")
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	if err := g.serving(ctx); err != nil {
		g.kill()
		return nil, err
	}
	return g, nil
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g *gateway) command(ctx context.Context, binary string, args ...string) *exec.Cmd {
	return process.Caddy(ctx, binary, g.dir, args...)
}

// cpu returns the processor time that the gateway has used.
func (g *gateway) cpu() (time.Duration, error) { return process.CPU(g.cmd.Process.Pid) }

// resident returns the bytes that the gateway has in memory, the pages of files
// among them.
func (g *gateway) resident() (int64, error) { return process.Memory(g.cmd.Process.Pid, "VmRSS") }

// serving waits until the site and the admin endpoint answer.
func (g *gateway) serving(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			continue
		}
		conn.Close()
		if g.get(ctx, "/config/", io.Discard) == nil {
			return nil
		}
	}
	text, _ := os.ReadFile(g.path("log"))
	return fmt.Errorf("the gateway does not start: %s", text)
}

// importKeys fills the store through the command that operators use.
func (g *gateway) importKeys(ctx context.Context, file string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := g.command(ctx, g.cmd.Path, "keygate", "import", file, "--address", "unix/"+g.path("admin.sock"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("caddy keygate import: %w", err)
	}
	if want := fmt.Sprintf("Imported %d keys.\n", n); string(out) != want {
		return fmt.Errorf("caddy keygate import says %q, want %q", out, want)
	}
	return nil
}

// get writes an answer of the admin API to w.
func (g *gateway) get(ctx context.Context, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway"+path, nil)
	if err != nil {
		return err
	}
	resp, err := g.admin.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

func (g *gateway) kill() {
	_ = g.cmd.Process.Kill() // may have ended
	_ = g.cmd.Wait()
}
