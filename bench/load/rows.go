package main

import (
	"fmt"
	"net/http"
)

// keygateRows starts stock Caddy and Keygate in all their builds. The first row is
// the one to compare with. Refusals are measured of the last gateway, which is as
// users build it.
func (s *stage) keygateRows() ([]*row, error) {
	profile, err := s.buildAll()
	if err != nil {
		return nil, err
	}
	stock, err := s.passing("stock Caddy, `reverse_proxy`", nil, bare, "stock")
	if err != nil {
		return nil, err
	}
	rows := []*row{stock}
	binaries := []struct{ name, suffix string }{{"keygate", ""}}
	if profile != "" {
		binaries = append(binaries, struct{ name, suffix string }{"profiled", "; with the profile"})
	}
	for _, binary := range binaries {
		unused, err := s.passing("Keygate built in, not used"+binary.suffix, stock, bare, binary.name)
		if err != nil {
			return nil, err
		}
		used, err := s.passing("Keygate"+binary.suffix, stock, guarded, binary.name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, unused, used, s.ofOneKey(used))
	}
	last := rows[len(rows)-2]
	deployed, err := s.deployedRows(stock, last.name, binaries[len(binaries)-1].name)
	if err != nil {
		return nil, err
	}
	return append(append(rows, deployed...), s.refusals(stock, last)...), nil
}

// deployedRows have what deploy/Caddyfile sets. Keygate is compared with stock as
// people run it, and with stock that has the same.
func (s *stage) deployedRows(stock *row, name, binary string) ([]*row, error) {
	if err := s.build("stockroom", "bench/load/stockroom", "off"); err != nil {
		return nil, err
	}
	room, err := s.passing("stock Caddy, as deployed", stock, asDeployed(bare), "stockroom")
	if err != nil {
		return nil, err
	}
	used, err := s.passing(name+", as deployed", stock, asDeployed(guarded), binary)
	if err != nil {
		return nil, err
	}
	rows := []*row{room, used, s.ofOneKey(used)}
	for _, r := range rows[1:] {
		equal := *r
		equal.name, equal.base = r.name+", of stock with the same", room
		rows = append(rows, &equal)
	}
	return rows, nil
}

// buildAll builds stock Caddy and Keygate, and Keygate with the profile that
// releases are guided by, where there is one.
func (s *stage) buildAll() (profile string, err error) {
	if profile, err = releaseProfile(s.ctx); err != nil {
		return "", err
	}
	if err := s.build("stock", "bench/load/stock", "off"); err != nil {
		return "", err
	}
	if err := s.build("keygate", "cmd/caddy", "off"); err != nil || profile == "" {
		return "", err
	}
	return profile, s.build("profiled", "cmd/caddy", profile)
}

// passing starts a Caddy, checks it, and returns the row of requests that pass.
func (s *stage) passing(name string, base *row, config, binary string) (*row, error) {
	var more []string
	if binary == "stockroom" {
		more = append(more, fmt.Sprintf("GC_HEADROOM_MIB=%d", headroom))
	}
	g, err := s.start(binary, fmt.Sprintf("gateway-%d", len(s.gateways)), config, more...)
	if err != nil {
		return nil, err
	}
	answers := passesAll
	if protected(config) {
		answers = keygateAnswers
	}
	if err := g.check(answers, s.requests); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &row{name: name, gateway: g, load: requestLoad(s.requests.good, http.StatusOK, nil), base: base}, nil
}

// ofOneKey is a row of the same gateway.
func (s *stage) ofOneKey(of *row) *row {
	r := *of
	r.name, r.load = of.name+", of one key", requestLoad(s.requests.good[:1], http.StatusOK, nil)
	return &r
}

func (s *stage) refusals(stock, of *row) (rows []*row) {
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
		rows = append(rows, &row{
			name: fmt.Sprintf("%s: %s, %d", of.name, refusal.name, refusal.status), gateway: of.gateway,
			load: requestLoad(refusal.list, refusal.status, nil), base: stock, alone: true,
		})
	}
	return rows
}
