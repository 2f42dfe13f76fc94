package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/socialpatra/keygate/bench/internal/process"
)

// stage is what measurements need: the keys, the backend, and gateways.
type stage struct {
	ctx context.Context // ends all
	options
	dir      string
	requests *requests
	backend  *backend
	gateways []*gateway
}

// open makes the keys and starts the backend.
func (s *stage) open() error {
	var err error
	if s.requests, err = makeKeys(s.path("keys.jsonl")); err != nil {
		return err
	}
	if err := build(s.ctx, s.path("backend"), "bench/load/backend", "off"); err != nil {
		return err
	}
	s.backend, err = startBackend(s.ctx, s.path("backend"))
	return err
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// prepare makes the folder of a gateway and finds a port for it. What the gateway
// will run ends with the stage.
func (s *stage) prepare(name string) (*gateway, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	g := &gateway{dir: s.path(name), addr: addr}
	s.gateways = append(s.gateways, g)
	return g, os.Mkdir(g.dir, 0o700)
}

// start starts a Caddy and fills its store where it has one. more is added to its
// environment.
func (s *stage) start(binary, name, config string, more ...string) (*gateway, error) {
	g, err := s.prepare(name)
	if err != nil {
		return nil, err
	}
	if err := g.write("Caddyfile", g.fill(config, s.backend.addr)); err != nil {
		return nil, err
	}
	g.admin = process.Admin(g.path("admin.sock"))
	g.admin.Timeout = profileTime + patience // the longest answer is a profile
	cmd := g.command(s.ctx, s.path(binary), "run", "--config", "Caddyfile")
	cmd.Env = append(cmd.Env, more...)
	if err := g.run(cmd); err != nil {
		return nil, err
	}
	if err := g.serving(s.ctx, func() error { return g.get(s.ctx, "/config/", io.Discard) }); err != nil {
		return nil, err
	}
	if !protected(config) {
		return g, nil
	}
	return g, g.importKeys(s.ctx, s.path(binary), s.path("keys.jsonl"), s.requests.keys)
}

// build builds a command of bench/load, or Keygate, as the stage's binary of a name.
func (s *stage) build(binary, command, pgo string) error {
	return build(s.ctx, s.path(binary), command, pgo)
}

// close kills what runs: nothing of it is kept.
func (s *stage) close() {
	for _, g := range s.gateways {
		g.kill()
	}
	if s.backend != nil {
		s.backend.stop()
	}
}

// protected tells a configuration with Keygate's keys from the others.
func protected(config string) bool { return strings.Contains(config, "store bbolt") }
