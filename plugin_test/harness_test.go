// Package plugin_test drives a built Caddy with Keygate in it from outside, as
// users, admins and attackers do: over HTTP, over the admin API and by its
// command line, with a real backend behind it.
package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
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

// patience is how long a process may take to start, to answer or to end. It
// is never waited for in full unless something is broken.
const patience = 90 * time.Second

var binDir string

// atOnce is how many tests run at once unless -parallel says otherwise. Most of them
// wait: for the disk, for a process to start, or until a second is over.
const atOnce = "6"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if err := flag.Set("test.parallel", atOnce); err != nil { // the command line is read later
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		nextPort.Store(rand.Uint32N(ports)) // other runs beside this one begin elsewhere
		var err error
		if binDir, err = os.MkdirTemp("", "keygate-plugin-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(binDir)
		return m.Run()
	}())
}

// caddyBinary builds ./cmd/caddy on first use, so that listing tests is quick.
var caddyBinary = sync.OnceValues(func() (string, error) { return buildCaddy("caddy", "..", "./cmd/caddy") })

// buildCaddy builds a package of the module in dir, and returns where it is.
func buildCaddy(name, dir, pkg string) (string, error) {
	binary := filepath.Join(binDir, name)
	build := exec.Command("go", "build", "-o", binary, pkg)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s in %s: %w\n%s", pkg, dir, err, out)
	}
	return binary, nil
}

// gateway is one Caddy process at a time, in a folder of its own: its config,
// its home and what the config names relatively, such as ./data, are there.
type gateway struct {
	URL   string // of the site, "http://127.0.0.1:34567"
	Admin string // the admin endpoint, "127.0.0.1:34568"
	Dir   string // working folder
	Log   string // file with all that the process wrote, over restarts

	env    []string
	binary func() (string, error) // Caddy; nil: caddyBinary
	store  string                 // what the config has in place of its store; "": that
	wrap   func(*exec.Cmd)        // changes how the process is run; nil: not at all
	client *http.Client
	admin  *http.Client
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended

	reloaded atomic.Int64 // when a config was last loaded over another, in Unix time
}

// bboltStore is the store of most configs here, and storeInstead, unless it is
// nil, what startCaddy puts in its place.
const bboltStore = "store bbolt ./data/keygate.db"

var storeInstead func(testing.TB) string

// startCaddy runs Caddy with a Caddyfile until the test ends. In it, and for
// commands run by [gateway.cli], {$PORT} is a free port for the site, and env
// may add more: "BACKEND=127.0.0.1:4321". The admin endpoint is set from
// outside and needs no line in the Caddyfile.
func startCaddy(t testing.TB, caddyfile string, env ...string) *gateway {
	t.Helper()
	return startCaddyFrom(t, caddyBinary, caddyfile, env...)
}

// startCaddyFrom is startCaddy with another build of Caddy.
func startCaddyFrom(t testing.TB, binary func() (string, error), caddyfile string, env ...string) *gateway {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	g := &gateway{
		URL:   "http://127.0.0.1:" + port,
		Admin: "127.0.0.1:" + freePort(t),
		Dir:   dir,
		Log:   filepath.Join(dir, "caddy.log"),

		binary: binary,
	}
	g.env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(dir, "home"),
		"XDG_CONFIG_HOME=" + filepath.Join(dir, "home", "config"),
		"XDG_DATA_HOME=" + filepath.Join(dir, "home", "share"),
		"CADDY_ADMIN=" + g.Admin,
		// A config that asks for a certificate by mistake gets no further
		// than this: loopback alone is reached without a proxy.
		"HTTPS_PROXY=http://127.0.0.1:1",
		"PORT=" + port,
	}, env...)
	g.client, g.admin = newClient(t), newClient(t)
	if storeInstead != nil {
		g.store = storeInstead(t)
	}
	g.writeConfig(t, caddyfile)
	g.start(t)
	t.Cleanup(func() {
		g.stop(t)
		if t.Failed() {
			log, _ := os.ReadFile(g.Log)
			t.Logf("log of Caddy:\n%s", log)
		}
	})
	return g
}

// start runs Caddy on the folder as it is, and returns when it serves.
func (g *gateway) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(g.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the child has its own copy

	// The test's context ends before its cleanup, which ends the process well.
	g.cmd = g.command(t, context.WithoutCancel(t.Context()), "run", "--config", "Caddyfile")
	g.cmd.Stdout, g.cmd.Stderr = log, log
	if g.wrap != nil {
		g.wrap(g.cmd)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	g.exited = exited
	go func() {
		g.cmd.Wait()
		close(exited)
	}()
	g.awaitReady(t)
}

// awaitReady polls the admin endpoint, which answers once a config is loaded.
func (g *gateway) awaitReady(t testing.TB) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := g.admin.Get("http://" + g.Admin + "/config/"); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-tick.C:
		case <-g.exited:
			log, _ := os.ReadFile(g.Log)
			t.Fatalf("caddy run ended at once: %v\n%s", g.cmd.ProcessState, log)
		case <-deadline:
			g.kill9(t)
			log, _ := os.ReadFile(g.Log)
			t.Fatalf("caddy run is not ready after %v\n%s", patience, log)
		}
	}
}

// await polls until ok, and fails the test if that takes too long. what completes
// "there is no …".
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("there is no %s after %v", what, patience)
		}
	}
}

// stop asks the process to end, and fails the test unless it does so soon and
// well. A process that has ended already is left at that.
func (g *gateway) stop(t testing.TB) {
	t.Helper()
	if g.ended() {
		return
	}
	g.client.CloseIdleConnections()
	g.admin.CloseIdleConnections()
	g.signal(t, syscall.SIGTERM)
	select {
	case <-g.exited:
		if !g.cmd.ProcessState.Success() {
			t.Errorf("caddy run ended badly: %v", g.cmd.ProcessState)
		}
	case <-time.After(patience):
		t.Errorf("caddy run does not end on SIGTERM")
		g.kill9(t)
	}
}

// kill9 ends the process as a power loss would, but for what the kernel has.
func (g *gateway) kill9(t testing.TB) {
	t.Helper()
	if !g.ended() {
		g.signal(t, syscall.SIGKILL)
		<-g.exited
	}
}

func (g *gateway) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := g.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("%v to Caddy: %v", sig, err)
	}
}

func (g *gateway) ended() bool {
	select {
	case <-g.exited:
		return true
	default:
		return false
	}
}

// reload loads another Caddyfile into the running process with caddy reload.
func (g *gateway) reload(t testing.TB, caddyfile string) result {
	t.Helper()
	g.writeConfig(t, caddyfile)
	return g.cli(t, "reload", "--config", "Caddyfile")
}

// reloads notes that a config is loaded from now on until what it returns is
// called.
func (g *gateway) reloads() (done func()) {
	note := func() { g.reloaded.Store(time.Now().Unix()) }
	note()
	return note
}

// withStore puts the gateway's store into a Caddyfile.
func (g *gateway) withStore(caddyfile string) string {
	if g.store == "" {
		return caddyfile
	}
	return strings.ReplaceAll(caddyfile, bboltStore, g.store)
}

func (g *gateway) writeConfig(t testing.TB, caddyfile string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.Dir, "Caddyfile"), []byte(g.withStore(caddyfile)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// result is what a command did.
type result struct {
	Stdout, Stderr string
	Code           int
}

// cli runs a subcommand of the same binary in the gateway's folder, where it
// finds the running process without flags.
func (g *gateway) cli(t testing.TB, args ...string) result {
	t.Helper()
	if args[0] == "reload" {
		defer g.reloads()()
	}
	g.program(t) // its build is not what has to end in time
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := g.command(t, ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("caddy %s: %v", strings.Join(args, " "), errors.Join(err, ctx.Err()))
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func (g *gateway) command(t testing.TB, ctx context.Context, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, g.program(t), args...)
	cmd.Dir, cmd.Env = g.Dir, g.env
	return cmd
}

// program returns where the gateway's Caddy is, once it is built.
func (g *gateway) program(t testing.TB) string {
	t.Helper()
	if g.binary == nil {
		g.binary = caddyBinary
	}
	binary, err := g.binary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Ports are handed out below those that the kernel chooses by itself, from 32768 on
// Linux: a port that is free may then be taken by another test, but by no server or
// connection that asks for any port. None is handed out twice: Caddy shares a port that
// another Caddy listens on instead of refusing it.
const firstPort, ports = 12000, 20000

var nextPort atomic.Uint32

func freePort(t testing.TB) string {
	t.Helper()
	for range ports {
		port := strconv.FormatUint(uint64(firstPort+nextPort.Add(1)%ports), 10)
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}
