package main

import (
	"fmt"
	"math/rand/v2"
	"os"
)

// row is a line of the table: what one gateway is sent.
type row struct {
	name    string
	gateway *gateway
	load    load
	base    *row     // what it is compared with; none is one of those itself
	alone   bool     // not beside the base at the same moment
	answers string   // the statuses that the gateway was seen to give
	samples []sample // by round
}

// compare measures all rows in each round, in an order of its own: each by itself,
// and beside its base. It prints the table.
func (s *stage) compare(rows []*row) error {
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
			if r.base != nil && !r.alone {
				if measured.beside, err = s.beside(r); err != nil {
					return err
				}
			}
			r.samples = append(r.samples, measured)
		}
	}
	return printTable(os.Stdout, rows)
}
