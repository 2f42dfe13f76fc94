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

// target says which Caddy or store the user means. All fields may be empty.
type target struct {
	address string // of an admin endpoint
	config  string // file that has the address
	adapter string // config adapter for that file
	db      string // file of a store that no process holds
}

// place returns where the client connects to.
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

// adminAddress finds the admin endpoint as `caddy reload` does. It is the address
// given, that of the config given, that of a Caddyfile in the working folder, or
// Caddy's default, in this order.
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

// quietly suppresses Caddy's log about loading a config, which the user did not
// ask for. Failures are in the error.
func quietly(load func() error) error {
	_, original, buffer := caddy.BufferedLog()
	defer func() {
		buffer.FlushTo(zap.NewNop())
		caddy.UnbufferDefaultLogger(original)
	}()
	return load()
}

// endpointOf parses an admin address as Caddy does.
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
		// Caddy appends the mode of the socket to its path: /admin.sock|0600
		path, _, _ := strings.Cut(parsed.Host, "|")
		return client.Place{Name: address, Network: "unix", Host: path}, nil
	default:
		return client.Place{Name: address, Network: parsed.Network, Host: parsed.JoinHostPort(0)}, nil
	}
}
