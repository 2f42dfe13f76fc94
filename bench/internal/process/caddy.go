package process

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
)

// Caddy is a command of a Caddy, to run in a folder with nothing of the user's
// own Caddy in reach.
func Caddy(ctx context.Context, binary, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir,
	}
	return cmd
}

// Admin returns a client that reaches the admin endpoint on a unix socket,
// whatever the host in a URL is.
func Admin(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

// FreeAddr returns an address of loopback that nobody listens on.
func FreeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
