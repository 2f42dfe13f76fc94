package stores

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// SaveEvery bounds how many of the day's counts a kill -9 can lose.
const SaveEvery = time.Second

// sweepEvery is how often the limits drop keys that are not in use.
const sweepEvery = time.Minute

// localLimits are the limits of one process. They are saved in its store every
// second, and continue after a restart where they stopped.
type localLimits struct {
	limiter *ratelimit.Limiter
	store   keystore.Use
	logger  *zap.Logger
	now     func() time.Time
	unsaved func(error) // told when use could not be stored

	saving     sync.Mutex
	keys       []apikey.Usage // what one save writes; kept to reuse its memory
	workspaces []apikey.WorkspaceUsage

	stop    chan struct{}
	stopped sync.WaitGroup
}

// LocalLimits returns the limits of this process, which go on from what the store
// has of today. unsaved is called when use could not be stored; it is tried again
// a second later.
func LocalLimits(store keystore.Use, logger *zap.Logger, now func() time.Time, unsaved func(error)) (Limits, error) {
	l := &localLimits{
		limiter: ratelimit.New(),
		store:   store,
		logger:  logger,
		now:     now,
		unsaved: unsaved,
		stop:    make(chan struct{}),
	}
	if err := l.restore(now()); err != nil {
		return nil, err
	}
	l.stopped.Go(l.keepSaving)
	return l, nil
}

// restore continues where the previous process stopped.
func (l *localLimits) restore(now time.Time) error {
	err := l.store.UsageSince(apikey.DayOf(now), l.limiter.Restore, l.limiter.RestoreWorkspace)
	if errors.Is(err, keystore.ErrDamaged) {
		l.logger.Error("a record of today's use is damaged; what it counts for has no quota left today", zap.Error(err))
	} else if err != nil {
		return fmt.Errorf("reading today's use: %w", err)
	}
	err = l.store.Buckets(func(b apikey.Bucket) { l.limiter.RestoreBucket(b, now) })
	if errors.Is(err, keystore.ErrDamaged) {
		l.logger.Error("a saved minute bucket is damaged; it is full", zap.Error(err))
	} else if err != nil {
		return fmt.Errorf("reading the minute buckets: %w", err)
	}
	l.limiter.Sweep(now) // closes the days before
	return nil
}

// Take implements [Limits].
func (l *localLimits) Take(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time, seen apikey.Sighting) (ratelimit.Result, error) {
	return l.limiter.TakeSeen(id, caps, cost, now, &seen), nil
}

// Deny implements [Limits].
func (l *localLimits) Deny(id apikey.ID, caps ratelimit.Caps, now time.Time) ratelimit.Result {
	return l.limiter.Deny(id, caps, now)
}

// Peek implements [Limits].
func (l *localLimits) Peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error) {
	return l.limiter.Peek(id, caps, cost, now), nil
}

// Forget implements [Limits].
func (l *localLimits) Forget(id apikey.ID) { l.limiter.Forget(id) }

// Rewatch implements [Limits].
func (l *localLimits) Rewatch(id apikey.ID) {
	l.limiter.Rewatch(id)
	l.Flush()
}

func (l *localLimits) keepSaving() {
	save := time.NewTicker(SaveEvery)
	defer save.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-save.C:
			l.Flush()
		case <-sweep.C:
			l.limiter.Sweep(l.now())
		}
	}
}

// Flush saves the counts that changed. If that fails, they are kept for the next
// attempt.
func (l *localLimits) Flush() {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.keys, l.workspaces = l.limiter.Drain(l.keys[:0], l.workspaces[:0])
	if len(l.keys)+len(l.workspaces) == 0 {
		return
	}
	if err := l.store.SaveUsage(l.keys, l.workspaces); err != nil {
		l.limiter.Undrain(l.keys, l.workspaces)
		l.unsaved(err)
	}
}

// Close implements [Limits].
func (l *localLimits) Close() {
	close(l.stop)
	l.stopped.Wait()
	l.Flush()
	if err := l.store.SaveBuckets(l.limiter.Buckets(l.now())); err != nil {
		l.logger.Error("the minute buckets could not be saved; they will be full after the start", zap.Error(err))
	}
}
