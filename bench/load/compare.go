package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
)

// row is a line of the table: what one gateway is sent.
type row struct {
	name    string
	gateway *gateway
	list    [][]byte
	status  int
	samples []sample // by round
}

// compare measures all rows in each round, in an order of its own: each by
// itself, and those that pass requests on beside the first row as well.
func (s *stage) compare() error {
	rows, err := s.rows()
	if err != nil {
		return err
	}
	for _, r := range rows { // what is only slow once is in no figure
		if _, err := s.measure(r, s.connections); err != nil {
			return err
		}
	}
	for round := range s.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds)
		for _, i := range rand.Perm(len(rows)) { //nolint:gosec // an order, no secret
			r := rows[i]
			measured, err := s.measure(r, s.connections)
			if err != nil {
				return err
			}
			if r != rows[0] && r.status == http.StatusOK {
				if measured.beside, err = s.beside(rows[0], r); err != nil {
					return err
				}
			}
			r.samples = append(r.samples, measured)
		}
	}
	return printTable(os.Stdout, rows)
}

// rows starts all gateways. The first row is the one to compare with. Refusals
// are measured of the last gateway, which is as users build it.
func (s *stage) rows() ([]*row, error) {
	profile, err := releaseProfile(s.ctx)
	if err != nil {
		return nil, err
	}
	if err := build(s.ctx, s.path("stock"), "bench/load/stock", "off"); err != nil {
		return nil, err
	}
	if err := build(s.ctx, s.path("keygate"), "cmd/caddy", "off"); err != nil {
		return nil, err
	}
	gateways := []struct{ binary, name, folder, config string }{
		{"stock", "stock Caddy, `reverse_proxy`", "stock-bare", bare},
		{"keygate", "Keygate built in, not used", "keygate-bare", bare},
		{"keygate", "Keygate", "keygate-guarded", guarded},
	}
	if profile != "" {
		if err := build(s.ctx, s.path("profiled"), "cmd/caddy", profile); err != nil {
			return nil, err
		}
		gateways = append(gateways, []struct{ binary, name, folder, config string }{
			{"profiled", "Keygate built in, not used; with the profile", "profiled-bare", bare},
			{"profiled", "Keygate; with the profile", "profiled-guarded", guarded},
		}...)
	}
	var rows []*row
	var last *row
	for _, v := range gateways {
		g, err := s.start(v.binary, v.folder, v.config)
		if err != nil {
			return nil, err
		}
		if err := s.check(g, v.config == guarded); err != nil {
			return nil, err
		}
		last = &row{name: v.name, gateway: g, list: s.requests.good, status: http.StatusOK}
		rows = append(rows, last)
		if v.config == guarded {
			rows = append(rows, &row{name: v.name + ", of one key", gateway: g, list: s.requests.good[:1], status: http.StatusOK})
		}
	}
	for _, refusal := range []struct {
		name   string
		list   [][]byte
		status int
	}{
		{"bad checksum", s.requests.badChecksum, http.StatusUnauthorized},
		{"unknown ID", s.requests.unknown, http.StatusUnauthorized},
		{"wrong scope", s.requests.wrongScope, http.StatusForbidden},
		{"over the limit", s.requests.overLimit, http.StatusTooManyRequests},
	} {
		name := fmt.Sprintf("%s: %s, %d", last.name, refusal.name, refusal.status)
		rows = append(rows, &row{name: name, gateway: last.gateway, list: refusal.list, status: refusal.status})
	}
	return rows, nil
}
