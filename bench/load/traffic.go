package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load opens the nth of several connections to a gateway, which must be over soon
// after until.
type load func(addr string, n, several int, until time.Time) (session, error)

// session is a connection on which one exchange follows the other.
type session interface {
	next() (units int, err error) // how many of what the load is counted in
	Close() error
}

// traffic is what came of exchanges: how long each took, in ascending order, and
// how many units they were.
type traffic struct {
	took  []time.Duration
	units int
	all   time.Duration
}

// drive sends a load to addr for a time, over connections that are kept and on each
// of which one exchange waits for the end of the one before.
func drive(ctx context.Context, addr string, l load, connections int, d time.Duration) (*traffic, error) {
	parts, errs := make([]traffic, connections), make([]error, connections)
	var over atomic.Bool
	end := func() { over.Store(true) }
	timer := time.AfterFunc(d, end)
	defer timer.Stop()
	defer context.AfterFunc(ctx, end)()
	first := rand.IntN(1 << 20) //nolint:gosec // where to begin, no secret
	var running sync.WaitGroup
	begin := time.Now()
	for i := range connections {
		running.Go(func() {
			s, err := l(addr, first+i, connections, begin.Add(d))
			if err != nil {
				errs[i] = err
				return
			}
			defer s.Close()
			errs[i] = parts[i].run(s, &over)
		})
	}
	running.Wait()
	t := &traffic{all: time.Since(begin)}
	for _, part := range parts {
		t.took = append(t.took, part.took...)
		t.units += part.units
	}
	slices.Sort(t.took)
	err := errors.Join(errors.Join(errs...), ctx.Err())
	if err == nil && t.units == 0 {
		err = errors.New("no request was answered in time")
	}
	return t, err
}

// patience is how long an answer may be late at the end.
const patience = 30 * time.Second

func (t *traffic) run(s session, over *atomic.Bool) error {
	for !over.Load() {
		start := time.Now()
		units, err := s.next()
		if err != nil {
			return err
		}
		t.units += units
		t.took = append(t.took, time.Since(start))
	}
	return nil
}
