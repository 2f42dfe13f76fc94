package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/zap"
)

// target is which Caddy or store the user means; all may be empty.
type target struct {
	address string // of an admin endpoint
	config  string // file that tells the address
	adapter string // of that file
	db      string // file of a store that no process holds
}

func (c *client) connect() (*link, error) {
	if c.target.db != "" {
		if c.target.address != "" || c.target.config != "" {
			return nil, errors.New("--db excludes --address and --config: keys are either in the hands of a running Caddy or in a file that nobody serves")
		}
		return openOffline(c.target.db, c.makesStore, c.silent, c.console)
	}
	address, err := c.target.adminAddress()
	if err != nil {
		return nil, err
	}
	return dialAdmin(address)
}

// adminAddress finds the admin endpoint as `caddy reload` does: as named, or
// by the config named, or by a Caddyfile in the working folder, or Caddy's
// default.
func (t target) adminAddress() (string, error) {
	if t.address != "" {
		return t.address, nil
	}
	address, err := t.configuredAddress()
	if err != nil {
		return "", fmt.Errorf("finding Caddy's admin address: %w; it can be named with --address", err)
	}
	return address, nil
}

func (t target) configuredAddress() (string, error) {
	var config []byte
	var file string
	err := quietly(func() (err error) {
		config, file, _, err = caddycmd.LoadConfig(t.config, t.adapter)
		return err
	})
	if err != nil {
		return "", err
	}
	address, err := caddycmd.DetermineAdminAPIAddress("", config, file, t.adapter)
	if err != nil {
		return "", err
	}
	return caddy.NewReplacer().ReplaceOrErr(address, true, true)
}

// quietly keeps what Caddy logs about loading a config away from a user who
// asked for something else; what goes wrong is in the error.
func quietly(load func() error) error {
	_, original, buffer := caddy.BufferedLog()
	defer func() {
		buffer.FlushTo(zap.NewNop())
		caddy.UnbufferDefaultLogger(original)
	}()
	return load()
}

// dialAdmin returns a link to an admin endpoint on TCP or a unix socket. It
// does not connect yet.
func dialAdmin(address string) (*link, error) {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return nil, fmt.Errorf("the admin address %q: %w", address, err)
	}
	if parsed.PortRangeSize() > 1 {
		return nil, fmt.Errorf("the admin address %q is a range of ports; name one", address)
	}
	network, host := parsed.Network, parsed.JoinHostPort(0)
	l := &link{url: "http://" + host, place: address}
	switch {
	case parsed.IsUnixNetwork():
		// Caddy writes the mode of the socket behind its path: /admin.sock|0600
		host, _, _ = strings.Cut(parsed.Host, "|")
		network, l.url = "unix", "http://127.0.0.1"
	case parsed.IsFdNetwork():
		return nil, fmt.Errorf("the admin address %q is a file descriptor of Caddy's own; name another with --address", address)
	default:
		l.origin = l.url
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, host)
		},
	}
	l.http = &http.Client{
		Transport:     transport,
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	l.close = func() error {
		transport.CloseIdleConnections()
		return nil
	}
	return l, nil
}
