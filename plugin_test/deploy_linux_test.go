package plugin_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// setting returns the value of a setting of the unit that is there once.
func setting(t testing.TB, unit, name string) string {
	t.Helper()
	if n := strings.Count(unit, "\n"+name+"="); n != 1 {
		t.Fatalf("%s is there %d times", name, n)
	}
	_, rest, _ := strings.Cut(unit, "\n"+name+"=")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// deployedUnit is deploy/keygate.service with the binary, the config and the
// folders of the machine under a folder of the test.
func deployedUnit(t testing.TB, dir string) string {
	t.Helper()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("=caddy ", "="+binary+" ", "/etc/keygate", dir, "/var/lib/keygate", dir).Replace(readFile(t, "deploy/keygate.service"))
}

// notifications is the socket on which systemd hears from a service.
type notifications struct{ *net.UnixConn }

func (n notifications) await(t testing.TB, want string) {
	t.Helper()
	n.SetReadDeadline(time.Now().Add(patience))
	buffer := make([]byte, 4096)
	for {
		size, err := n.Read(buffer)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if strings.Contains("\n"+string(buffer[:size])+"\n", "\n"+want+"\n") {
			return
		}
	}
}

// The commands of the unit start, reload and end the gateway, and tell systemd
// so; its admin socket is for its user alone.
func TestUnitRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unit := deployedUnit(t, dir)
	if setting(t, unit, "Type") != "notify" {
		t.Error("the unit does not listen to what the gateway tells")
	}
	socket := filepath.Join(dir, "admin.sock")
	config := substitute(t, readFile(t, "deploy/Caddyfile"), "/run/keygate/admin.sock", socket, "/var/lib/keygate/keys.db", filepath.Join(dir, "keys.db"),
		"\napi.example.com {", "\nhttp://127.0.0.1:"+freePort(t)+" {", "\nhttp://:9180 {", "\nhttp://:"+freePort(t)+" {",
		"\nhttp://api.example.com {", "\nhttp://api.example.com:"+freePort(t)+" {")
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	told := notifications{conn}

	// The service runs while all of the other commands do, and each of them may take long.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*patience)
	defer cancel()
	run := func(line string, more ...string) *exec.Cmd {
		args := append(strings.Fields(line), more...)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "NOTIFY_SOCKET=" + conn.LocalAddr().String()}, strings.Fields(setting(t, unit, "Environment"))...)
		return cmd
	}
	binary := strings.Fields(setting(t, unit, "ExecStart"))[0]
	if out, err := run(binary, "keygate", "init", "--db", filepath.Join(dir, "keys.db")).CombinedOutput(); err != nil {
		t.Fatalf("caddy keygate init: %v: %s", err, out)
	}
	service := run(setting(t, unit, "ExecStart"))
	var log strings.Builder
	service.Stderr = &log
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			service.Process.Kill()
			service.Wait()
			t.Log(log.String())
		}
	}()
	told.await(t, "READY=1")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the admin socket: %v, %v", info, err)
	}
	if out, err := run(binary, "keygate", "list", "--address", "unix/"+socket).CombinedOutput(); err != nil {
		t.Errorf("caddy keygate list: %v: %s", err, out)
	}
	if out, err := run(setting(t, unit, "ExecReload"), "--force").CombinedOutput(); err != nil {
		t.Fatalf("ExecReload: %v: %s", err, out)
	}
	told.await(t, "RELOADING=1")
	told.await(t, "READY=1")
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told.await(t, "STOPPING=1")
	ended = true
	if err := service.Wait(); err != nil {
		t.Errorf("the gateway ended with %v: %s", err, log.String())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		if name := filepath.Base(file); name != "Caddyfile" && name != "keys.db" && name != "notify" && name != "caddy" {
			t.Errorf("%s is left in the folder of the state", name)
		}
	}
}

// The Caddyfile's grace period ends before systemd kills.
func TestUnitWaitsForTheGracePeriod(t *testing.T) {
	t.Parallel()
	unit := readFile(t, "deploy/keygate.service")
	_, grace, _ := strings.Cut(readFile(t, "deploy/Caddyfile"), "grace_period ")
	within, err := time.ParseDuration(strings.Fields(grace)[0])
	if err != nil {
		t.Fatal(err)
	}
	killed, err := time.ParseDuration(setting(t, unit, "TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	if killed <= within {
		t.Errorf("systemd kills after %v, the grace period is %v", killed, within)
	}
}
