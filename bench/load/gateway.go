package main

import (
	"context"
	"errors"
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

// gateway is a running gateway with a folder of its own. Its site is a free port of
// loopback, the admin endpoint of a Caddy a unix socket in the folder.
type gateway struct {
	dir    string
	addr   string
	admin  *http.Client     // of a Caddy
	groups []*process.Group // its processes, and those that it asks
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

// fill puts a gateway's places into a config.
func (g *gateway) fill(config, backend string) string {
	_, port, _ := net.SplitHostPort(g.addr)
	return strings.NewReplacer("{dir}", g.dir, "{port}", port, "{backend}", backend).Replace(config)
}

func (g *gateway) write(name, text string) error {
	return os.WriteFile(g.path(name), []byte(text), 0o600)
}

func (g *gateway) command(ctx context.Context, binary string, args ...string) *exec.Cmd {
	return process.Caddy(ctx, binary, g.dir, args...)
}

// run starts a command whose cost is the gateway's. What it says is in the log.
func (g *gateway) run(cmd *exec.Cmd) error {
	log, err := os.OpenFile(g.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own copy
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	group, err := process.Start(cmd)
	if err != nil {
		return err
	}
	g.groups = append(g.groups, group)
	return nil
}

// cpu returns the processor time that the gateway has used.
func (g *gateway) cpu() (sum time.Duration, err error) {
	for _, group := range g.groups {
		used, failed := group.CPU()
		sum, err = sum+used, errors.Join(err, failed)
	}
	return sum, err
}

// resident returns the bytes that the gateway has in memory, the pages of files
// among them.
func (g *gateway) resident() (sum int64, err error) {
	for _, group := range g.groups {
		bytes, failed := group.Memory("VmRSS")
		sum, err = sum+bytes, errors.Join(err, failed)
	}
	return sum, err
}

// serving waits until the site takes connections and what else is asked is well.
func (g *gateway) serving(ctx context.Context, also func() error) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			continue
		}
		conn.Close()
		if also() == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not start: %s", g.dir, g.said())
}

// said returns the end of the log.
func (g *gateway) said() []byte {
	text, _ := os.ReadFile(g.path("log"))
	return text[max(0, len(text)-4000):]
}

// importKeys fills the store through the command that operators use.
func (g *gateway) importKeys(ctx context.Context, binary, file string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := g.command(ctx, binary, "keygate", "import", file, "--address", "unix/"+g.path("admin.sock"))
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
	for _, group := range g.groups {
		group.Kill()
	}
}
