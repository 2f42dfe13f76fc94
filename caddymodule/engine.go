package caddymodule

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// engines holds the open stores by location. A reload provisions the new
// config before the old one is cleaned up, so the pool is what carries keys,
// buckets and quotas over. Every successful acquireEngine is paired with
// exactly one Delete, in [App.Cleanup].
var engines = caddy.NewUsagePool()

// saveEvery bounds what a kill -9 can lose of the day's counts.
const saveEvery = time.Second

// sweepEvery is how often the limits forget keys that are not in use.
const sweepEvery = time.Minute

// pruneEvery is how often what is too old is dropped.
const pruneEvery = 24 * time.Hour

// timeNow is the clock of requests and admin calls; tests replace it.
var timeNow = time.Now

// engine is a store in use: the store itself, the limits of its keys and the
// failed-authentication budgets. It outlives the config that opened it.
type engine struct {
	store  keystore.Store
	limits *ratelimit.Limiter // not used where there is a fleet
	fleet  *fleetStore        // store, if it keeps the limits as well; otherwise nil
	logger *zap.Logger

	failuresMu sync.RWMutex
	failures   map[int]*ratelimit.Failures // by budget per minute

	saving          sync.Mutex
	unsaved         []apikey.Usage // what one save writes; its room is kept for the next
	unsavedTogether []apikey.WorkspaceUsage
	unsavable       rarely

	brand     atomic.Pointer[string] // that the store has recorded, as far as is known
	retention atomic.Int64           // of audit entries, in nanoseconds
	retained  chan struct{}          // tells that retention has changed

	sockets sockets

	stop    chan struct{}
	stopped sync.WaitGroup
}

func acquireEngine(store StoreModule, logger *zap.Logger) (*engine, error) {
	val, _, err := engines.LoadOrNew(store.Location(), func() (caddy.Destructor, error) {
		return openEngine(store, logger)
	})
	if err != nil {
		return nil, err
	}
	return val.(*engine), nil
}

func openEngine(module StoreModule, logger *zap.Logger) (*engine, error) {
	store, err := module.Open(logger)
	if err != nil {
		return nil, err
	}
	e := &engine{
		store:    store,
		limits:   ratelimit.New(),
		logger:   logger,
		failures: make(map[int]*ratelimit.Failures),
		retained: make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	e.fleet, _ = store.(*fleetStore)
	if e.fleet == nil {
		if err := e.restoreLimits(timeNow()); err != nil {
			_ = store.Close()
			return nil, err
		}
	}
	if e.fleet == nil { // which saves by itself
		e.stopped.Go(e.keepSaving)
	}
	e.stopped.Go(e.keepPruning)
	e.stopped.Go(e.keepCheckingSockets)
	return e, nil
}

// restoreLimits goes on with the limits where the process before stopped.
func (e *engine) restoreLimits(now time.Time) error {
	err := e.store.UsageSince(apikey.DayOf(now), e.limits.Restore, e.limits.RestoreWorkspace)
	if errors.Is(err, keystore.ErrDamaged) {
		e.logger.Error("a record of today's use is damaged; what it counts for has no quota left today", zap.Error(err))
	} else if err != nil {
		return fmt.Errorf("reading today's use: %w", err)
	}
	err = e.store.Buckets(func(b apikey.Bucket) { e.limits.RestoreBucket(b, now) })
	if errors.Is(err, keystore.ErrDamaged) {
		e.logger.Error("a saved minute bucket is damaged; it is full", zap.Error(err))
	} else if err != nil {
		return fmt.Errorf("reading the minute buckets: %w", err)
	}
	e.limits.Sweep(now) // closes the days before
	return nil
}

// Destruct ends the WebSockets, saves what is not saved yet and closes the
// store. The pool calls it when the last config lets go.
func (e *engine) Destruct() error {
	e.sockets.closeAll()
	close(e.stop)
	e.stopped.Wait()
	e.save()
	if e.fleet != nil {
		return e.store.Close()
	}
	if err := e.store.SaveBuckets(e.limits.Buckets(timeNow())); err != nil {
		e.logger.Error("the minute buckets could not be saved; they will be full after the start", zap.Error(err))
	}
	return e.store.Close()
}

func (e *engine) keepSaving() {
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-save.C:
			e.save()
		case <-sweep.C:
			e.limits.Sweep(timeNow())
		}
	}
}

// save writes the counts that changed. What could not be written is kept for
// the next attempt.
func (e *engine) save() {
	if e.fleet != nil {
		e.fleet.limits.Save()
		return
	}
	e.saving.Lock()
	defer e.saving.Unlock()
	e.unsaved, e.unsavedTogether = e.limits.Drain(e.unsaved[:0], e.unsavedTogether[:0])
	if len(e.unsaved)+len(e.unsavedTogether) == 0 {
		return
	}
	if err := e.store.SaveUsage(e.unsaved, e.unsavedTogether); err != nil {
		e.limits.Undrain(e.unsaved, e.unsavedTogether)
		metrics.storeErrors.Inc()
		e.unsavable.error(e.logger, timeNow(), "the use of keys could not be saved; trying again every second", zap.Error(err))
	}
}

// setBrand records the brand of the tokens. A config with the same one can be
// loaded while the store takes no changes.
func (e *engine) setBrand(brand string) error {
	if known := e.brand.Load(); known != nil && *known == brand {
		return nil
	}
	if err := e.store.SetBrand(brand); err != nil {
		return err
	}
	e.brand.Store(&brand)
	return nil
}

// retain sets how long audit entries are kept, and drops older ones soon.
func (e *engine) retain(d time.Duration) {
	if e.retention.Swap(int64(d)) == int64(d) {
		return
	}
	select {
	case e.retained <- struct{}{}:
	default: // it is told already
	}
}

// keepPruning is apart from keepSaving, which must not wait for it.
func (e *engine) keepPruning() {
	daily := time.NewTicker(pruneEvery)
	defer daily.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-e.retained:
		case <-daily.C:
		}
		e.prune(timeNow())
	}
}

func (e *engine) prune(now time.Time) {
	retention := time.Duration(e.retention.Load())
	if retention == 0 {
		return // no config has started yet
	}
	if err := e.store.Prune(apikey.DayOf(now)-usageDays, now.Add(-retention)); err != nil {
		metrics.storeErrors.Inc()
		e.logger.Error("old use and audit entries could not be dropped; trying again in a day", zap.Error(err))
	}
}

// keepCheckingSockets is apart from keepSaving, which may wait for the disk.
func (e *engine) keepCheckingSockets() {
	tick := time.NewTicker(checkSocketsEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
			e.sockets.check(e.store, timeNow())
		}
	}
}

// capsOf returns the limits that hold for a key. Those of its workspace are its
// own, or else the config's.
func capsOf(store keystore.Store, g *apikey.Grant, config apikey.WorkspaceLimits) ratelimit.Caps {
	caps := ratelimit.Caps{Limits: g.Limits, Workspace: g.Workspace, Together: config}
	if own, ok := store.WorkspaceLimits(g.Workspace); ok {
		caps.Together = own
	}
	return caps
}

// failuresWithin returns the budgets for a limit of perMinute. All handlers
// with the same limit share them, also across reloads.
func (e *engine) failuresWithin(perMinute int) *ratelimit.Failures {
	e.failuresMu.RLock()
	f := e.failures[perMinute]
	e.failuresMu.RUnlock()
	if f != nil {
		return f
	}
	e.failuresMu.Lock()
	defer e.failuresMu.Unlock()
	if f = e.failures[perMinute]; f == nil {
		f = ratelimit.NewFailures(perMinute)
		e.failures[perMinute] = f
	}
	return f
}
