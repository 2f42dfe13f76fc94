package shared

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
)

const (
	saveEvery  = 5 * time.Second // each key in use costs the engine more than a request
	probeEvery = 200 * time.Millisecond
)

// Run saves what keys were used for every five seconds and a last time at the end,
// frees memory, and looks every 200 ms whether an engine that was away is back.
// It returns when ctx is done.
func (l *Limiter) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, probeEvery, l.probe) })
	wg.Go(func() {
		var unsaved []apikey.Usage
		every(ctx, saveEvery, func() {
			unsaved = l.save(ctx, unsaved[:0])
			l.sweep(time.Now())
		})
	})
	wg.Wait()
	l.save(context.WithoutCancel(ctx), nil)
}

func every(ctx context.Context, d time.Duration, do func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// unpayable is more than any limit holds.
const unpayable = 2_000_000_000

// probe asks again about the key that had no answer. It charges nothing, but
// has the engine write, as some engines that are not well only read.
func (l *Limiter) probe() {
	if !l.breaker.open() {
		return
	}
	q := l.breaker.unanswered()
	if _, err := l.engine.charge(q.id, &q.caps, unpayable, 0); !errors.Is(err, redis.ErrUnavailable) {
		l.breaker.isOpen.Store(false)
	}
}

// Save saves what keys were used for until now, so that who asks the store next
// is told of it.
func (l *Limiter) Save() { l.save(context.Background(), nil) }

// save hands over what keys were used for. It uses the memory of buffer, and
// returns it.
func (l *Limiter) save(ctx context.Context, buffer []apikey.Usage) []apikey.Usage {
	used := l.drain(buffer)
	if len(used) == 0 || l.options.Save == nil {
		return used
	}
	if err := l.options.Save(ctx, used); err != nil {
		l.undrain(used) // who saves also tells of the error
	}
	return used
}

func (l *Limiter) sweep(now time.Time) {
	l.memory.sweep(now.Sub(l.start))
	l.memory.sweepWatches(apikey.DayOf(now))
	l.local.Drain(nil, nil) // its counts are among those saved
	l.local.Sweep(now)
}
