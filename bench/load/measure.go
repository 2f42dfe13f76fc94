package main

import (
	"fmt"
	"time"
)

// sample is what a slice of a row comes to.
type sample struct {
	perSecond float64       // requests, or what else the load is counted in
	cpu       time.Duration // of the gateway, for one of them
	p50, p99  time.Duration
	resident  int64   // bytes
	beside    float64 // CPU of a request, of that of the base at the same moment
}

// settle is how long a slice is followed up: a gateway saves what keys were
// used for every second, and that belongs to the cost of the requests before.
const settle = 1200 * time.Millisecond

// measure sends the load of a row to its gateway for a slice.
func (s *stage) measure(r *row, connections int) (sample, error) {
	before, err := r.gateway.cpu()
	if err != nil {
		return sample{}, err
	}
	t, err := drive(s.ctx, r.gateway.addr, r.load, connections, s.slice)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", r.name, err)
	}
	time.Sleep(settle)
	after, err := r.gateway.cpu()
	if err != nil {
		return sample{}, err
	}
	resident, err := r.gateway.resident()
	if err != nil {
		return sample{}, err
	}
	n := len(t.took)
	return sample{
		perSecond: float64(t.units) / t.all.Seconds(),
		cpu:       (after - before) / time.Duration(t.units),
		p50:       t.took[n/2],
		p99:       t.took[n*99/100],
		resident:  resident,
	}, nil
}
