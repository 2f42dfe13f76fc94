//go:build backends || caches

package plugin_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// startNginxServer runs nginx with one server block until the test ends.
func startNginxServer(t testing.TB, server, addr string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid nginx.pid; error_log nginx.log;
events {}
http {
access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
%s}
`, server)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runBackend(t, dir, "nginx", "-p", dir, "-e", "nginx.log", "-c", conf)
	awaitListener(t, addr)
}

// awaitListener returns once something listens.
func awaitListener(t testing.TB, addr string) {
	t.Helper()
	await(t, "listener on "+addr, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// runBackend runs a program until the test ends.
func runBackend(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	runBackendTo(t, nil, dir, name, args...)
}

// runBackendTo is runBackend with somewhere to write to.
func runBackendTo(t testing.TB, stdout *os.File, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}
