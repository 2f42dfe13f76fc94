package main

import (
	"context"
	"path/filepath"
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

// start starts a gateway in a folder of its own, and fills its store where it
// has one.
func (s *stage) start(binary, name, config string) (*gateway, error) {
	g, err := startGateway(s.ctx, s.path(binary), s.path(name), config, s.backend.addr)
	if err != nil {
		return nil, err
	}
	s.gateways = append(s.gateways, g)
	if config != guarded {
		return g, nil
	}
	return g, g.importKeys(s.ctx, s.path("keys.jsonl"), s.requests.keys)
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
