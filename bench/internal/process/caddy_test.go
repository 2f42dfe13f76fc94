package process

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCaddy(t *testing.T) {
	t.Setenv("CADDY_ADMIN", "elsewhere")
	cmd := Caddy(t.Context(), "caddy", "/a/folder", "version")
	if cmd.Dir != "/a/folder" || !slices.Contains(cmd.Env, "HOME=/a/folder") {
		t.Errorf("in %s with %q", cmd.Dir, cmd.Env)
	}
	if slices.ContainsFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "CADDY_") }) {
		t.Errorf("the user's own settings are in %q", cmd.Env)
	}
}

func TestAdmin(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler()}}
	server.Start()
	defer server.Close()
	resp, err := Admin(socket).Get("http://gateway/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestFreeAddr(t *testing.T) {
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}
