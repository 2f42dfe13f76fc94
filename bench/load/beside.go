package main

import (
	"errors"
	"sync"
)

// beside sends the load to a row's gateway and to that of its base at the same
// moment, and returns what CPU a request costs the one as a multiple of the other.
// How quick a shared machine is changes within seconds, but for both alike.
func (s *stage) beside(r *row) (float64, error) {
	pair := [2]*row{r, r.base}
	var cost [2]float64 // CPU seconds per request
	var errs [2]error
	var running sync.WaitGroup
	for i, each := range pair {
		running.Go(func() {
			var measured sample
			measured, errs[i] = s.measure(each, max(1, s.connections/2))
			cost[i] = measured.cpuSeconds()
		})
	}
	running.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return 0, err
	}
	return cost[0] / cost[1], nil
}
