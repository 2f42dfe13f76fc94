package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// peer is what users would pick instead of Keygate, with the same keys.
type peer struct {
	name    string
	answers answers
	start   func(*stage) (*gateway, error)
	rewrite func(request []byte) []byte // how clients send keys, if not as to Keygate
}

// missing names a program that is not on this machine. Nothing is installed.
type missing string

func (m missing) Error() string { return string(m) + " is not on this machine" }

const (
	unauthorized = http.StatusUnauthorized
	forbidden    = http.StatusForbidden
	tooMany      = http.StatusTooManyRequests
)

var peers = []peer{
	{name: "nginx: `map`, `limit_req`", answers: keygateAnswers, start: startNginx},
	{name: "nginx with Lua: SHA-256, shared counters", answers: keygateAnswers, start: startLua},
	{name: "HAProxy: map, stick table", answers: keygateAnswers, start: startHAProxy},
	{name: "Traefik: `basicAuth`, `rateLimit`", answers: answers{[]int{unauthorized, tooMany}, 1}, start: startTraefik, rewrite: asBasic},
	{name: "caddy-ratelimit, no keys", answers: answers{[]int{tooMany}, 1}, start: startRateLimited},
	{name: "caddy-ratelimit, keys in Caddy's `map`", answers: keygateAnswers, start: startMapped},
	{name: "Caddy: `forward_auth` to a small service", answers: keygateAnswers, start: startForwardAuth},
}

// measurePeers prints the table, and below it what is not in it.
func (s *stage) measurePeers() error {
	rows, skipped, err := s.peerRows()
	if err != nil {
		return err
	}
	if err := s.compare(rows); err != nil || len(skipped) == 0 {
		return err
	}
	_, err = fmt.Printf("\nNot on this machine: %s.\n", strings.Join(skipped, "; "))
	return err
}

// peerRows starts stock Caddy, Keygate as it is released, and all peers that there
// are. The first row is the one to compare with.
func (s *stage) peerRows() (rows []*row, skipped []string, err error) {
	binary, err := s.buildReleased()
	if err != nil {
		return nil, nil, err
	}
	stock, err := s.passing("stock Caddy, `reverse_proxy`", nil, bare, "stock")
	if err != nil {
		return nil, nil, err
	}
	stock.answers = passesAll.String()
	rows = append(rows, stock)
	for _, keygate := range []struct{ name, config string }{
		{"Keygate", guarded},
		{"Keygate, as deployed", asDeployed(guarded)},
	} {
		used, err := s.passing(keygate.name, stock, keygate.config, binary)
		if err != nil {
			return nil, nil, err
		}
		used.answers = keygateAnswers.String()
		rows = append(rows, used, s.ofOneKey(used))
	}
	for _, p := range peers {
		r, err := s.peerRow(p, stock)
		if lacks := missing(""); errors.As(err, &lacks) {
			fmt.Fprintf(os.Stderr, "%s: skipped, as %s\n", p.name, lacks.Error())
			skipped = append(skipped, p.name)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, r)
	}
	return rows, skipped, nil
}

// peerRow starts a peer and checks that it answers what it is said to.
func (s *stage) peerRow(p peer, stock *row) (*row, error) {
	g, err := p.start(s)
	if err != nil {
		return nil, err
	}
	sent := s.requests
	if p.rewrite != nil {
		sent = sent.rewritten(p.rewrite)
	}
	if err := g.check(p.answers, sent); err != nil {
		return nil, err
	}
	return &row{
		name: p.name, gateway: g, load: requestLoad(sent.good, http.StatusOK, nil),
		base: stock, answers: p.answers.String(),
	}, nil
}

// buildReleased builds stock Caddy and Keygate as it is released: guided by the
// profile, where there is one.
func (s *stage) buildReleased() (keygate string, err error) {
	profile, err := releaseProfile(s.ctx)
	if err != nil {
		return "", err
	}
	if profile == "" {
		profile = "off"
	}
	if err := s.build("stock", "bench/load/stock", "off"); err != nil {
		return "", err
	}
	return "profiled", s.build("profiled", "cmd/caddy", profile)
}

// startProgram starts a program of this machine with files in its folder, whose
// places it fills.
func (s *stage) startProgram(name, program string, files map[string]string, args ...string) (*gateway, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	g, err := s.prepare(name)
	if err != nil {
		return nil, err
	}
	for file, text := range files {
		if err := g.write(file, g.fill(text, s.backend.addr)); err != nil {
			return nil, err
		}
	}
	for i := range args {
		args[i] = g.fill(args[i], s.backend.addr)
	}
	if err := g.run(g.command(s.ctx, path, args...)); err != nil {
		return nil, err
	}
	return g, g.serving(s.ctx, func() error { return eachOnce(g.addr, [][]byte{s.requests.noKey}, unauthorized) })
}

// find looks for a program where shells and, on Debian, only root's look.
func find(program string) (string, error) {
	for _, candidate := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", missing(program)
}
