package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is what came of requests: how long each took, in ascending order.
type traffic struct {
	took []time.Duration
	all  time.Duration
}

// drive sends the requests to addr for a time, over connections that are kept
// and on each of which one waits for the answer to the one before. All answers
// must have the status. Each connection sends a part of the requests, in turn.
func drive(ctx context.Context, addr string, list [][]byte, status, connections int, d time.Duration) (*traffic, error) {
	parts, errs := make([][]time.Duration, connections), make([]error, connections)
	var over atomic.Bool
	end := func() { over.Store(true) }
	timer := time.AfterFunc(d, end)
	defer timer.Stop()
	defer context.AfterFunc(ctx, end)()
	first := rand.IntN(len(list)) //nolint:gosec // where to begin, no secret
	var running sync.WaitGroup
	begin := time.Now()
	for i := range connections {
		running.Go(func() {
			parts[i], errs[i] = send(addr, list, first+i, connections, status, begin.Add(d), &over)
		})
	}
	running.Wait()
	t := &traffic{all: time.Since(begin), took: slices.Concat(parts...)}
	slices.Sort(t.took)
	err := errors.Join(errors.Join(errs...), ctx.Err())
	if err == nil && len(t.took) == 0 {
		err = errors.New("no request was answered in time")
	}
	return t, err
}

// patience is how long an answer may be late at the end.
const patience = 10 * time.Second

func send(addr string, list [][]byte, first, step, status int, until time.Time, over *atomic.Bool) (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(until.Add(patience)); err != nil {
		return nil, err
	}
	buf := make([]byte, 8<<10)
	for i := first; !over.Load(); i += step {
		start := time.Now()
		got, err := exchange(conn, list[i%len(list)], buf)
		if err != nil {
			return nil, err
		}
		if got != status {
			return nil, fmt.Errorf("answered %d, want %d", got, status)
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}
