package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/command/client"
)

// target is which Caddy or store the user means; all may be empty.
type target struct {
	address string // of an admin endpoint
	config  string // file that tells the address
	adapter string // of that file
	db      string // file of a store that no process holds
}

// place is where the client finds what is meant.
func (t target) place() (client.Place, error) {
	if t.db == "" {
		address, err := t.adminAddress()
		if err != nil {
			return client.Place{}, err
		}
		return endpointOf(address)
	}
	if t.address != "" || t.config != "" {
		return client.Place{}, errors.New("--db excludes --address and --config: keys are either in the hands of a running Caddy or in a file that nobody serves")
	}
	return client.Place{DB: t.db}, nil
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

// endpointOf reads an admin address as Caddy does.
func endpointOf(address string) (client.Place, error) {
	parsed, err := caddy.ParseNetworkAddress(address)
	switch {
	case err != nil:
		return client.Place{}, fmt.Errorf("the admin address %q: %w", address, err)
	case parsed.PortRangeSize() > 1:
		return client.Place{}, fmt.Errorf("the admin address %q is a range of ports; name one", address)
	case parsed.IsFdNetwork():
		return client.Place{}, fmt.Errorf("the admin address %q is a file descriptor of Caddy's own; name another with --address", address)
	case parsed.IsUnixNetwork():
		// Caddy writes the mode of the socket behind its path: /admin.sock|0600
		path, _, _ := strings.Cut(parsed.Host, "|")
		return client.Place{Name: address, Network: "unix", Host: path}, nil
	default:
		return client.Place{Name: address, Network: parsed.Network, Host: parsed.JoinHostPort(0)}, nil
	}
}
