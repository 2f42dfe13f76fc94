package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// step does something a few times, and returns how often: 0 where there is
// nothing left to do.
type step func() (ops int, err error)

// outcome is what came of steps.
type outcome struct {
	ops  int64
	took time.Duration
	each histogram
	cost cost
}

func (o *outcome) add(p *outcome) {
	o.ops += p.ops
	o.took += p.took
	o.each.add(&p.each)
	o.cost = o.cost.plus(p.cost)
}

// load repeats all steps at once, each in a goroutine, until its time is over,
// and then calls finish, whose cost is part of theirs.
func (f *fleet) load(steps []step, finish func()) (*outcome, error) {
	before, err := f.engine.spent()
	if err != nil {
		finish()
		return nil, err
	}
	parts, errs := make([]outcome, len(steps)), make([]error, len(steps))
	var over atomic.Bool
	stop := time.AfterFunc(f.each, func() { over.Store(true) })
	defer stop.Stop()
	var running sync.WaitGroup
	begin := time.Now()
	for i, do := range steps {
		running.Go(func() {
			for !over.Load() && f.ctx.Err() == nil {
				start := time.Now()
				n, err := do()
				if errs[i] = err; n == 0 || err != nil {
					return
				}
				parts[i].ops += int64(n)
				parts[i].each.record(time.Since(start) / time.Duration(n))
			}
		})
	}
	running.Wait()
	sum := &outcome{took: time.Since(begin)}
	for i := range parts {
		sum.ops += parts[i].ops
		sum.each.add(&parts[i].each)
	}
	finish()
	after, err := f.engine.spent()
	sum.cost = after.minus(before)
	return sum, errors.Join(errors.Join(errs...), err, f.ctx.Err())
}
