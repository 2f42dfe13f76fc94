package caddymodule

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/lasting"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/caddymodule/webhooks"
	"github.com/socialpatra/keygate/internal/listening"
	"github.com/socialpatra/keygate/internal/logthrottle"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/webhook"
)

// openStores has the open stores by location. A reload provisions the new config
// before the old one is cleaned up, so this pool carries keys, buckets and quotas
// over. Every successful acquireStore is paired with exactly one Delete, in
// [App.Cleanup].
var openStores = caddy.NewUsagePool()

// pruneEvery is how often old use and audit entries are dropped.
const pruneEvery = 24 * time.Hour

// openStore is a store in use: the store itself, the limits of its keys, and the
// budgets of failed authentications. It may outlive the config that opened it.
type openStore struct {
	store  keystore.Store
	limits stores.Limits
	logger *zap.Logger
	now    func() time.Time

	failuresMu sync.RWMutex
	failures   map[failureBudget]*ratelimit.Failures

	brand     atomic.Pointer[string] // recorded in the store, as far as known
	retention atomic.Int64           // of audit entries, in nanoseconds
	retained  chan struct{}          // signals that retention has changed

	webhooks  *webhook.Senders
	open      lasting.Set // what is being served to keys
	listening *listening.Watch

	stop    chan struct{}
	stopped sync.WaitGroup
}

func acquireStore(store stores.Module, logger *zap.Logger, now func() time.Time) (*openStore, error) {
	val, _, err := openStores.LoadOrNew(store.Location(), func() (caddy.Destructor, error) {
		e, err := openNewStore(store, logger, now)
		if err != nil {
			return nil, err
		}
		_, shared := store.(stores.Shared)
		e.listening = listening.NewWatch(logger, shared)
		return e, nil
	})
	if err != nil {
		return nil, err
	}
	return val.(*openStore), nil
}

func openNewStore(module stores.Module, logger *zap.Logger, now func() time.Time) (*openStore, error) {
	store, err := stores.Open(module, logger)
	if err != nil {
		return nil, err
	}
	e := &openStore{
		store:    store,
		logger:   logger,
		now:      now,
		failures: make(map[failureBudget]*ratelimit.Failures),
		retained: make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	unsaved := &unsavedUse{logger: logger}
	if keeper, ok := store.(stores.LimitKeeper); ok {
		e.limits = keeper.Limits(unsaved.report)
	} else if e.limits, err = stores.LocalLimits(store, logger, now, unsaved.report); err != nil {
		_ = store.Close()
		return nil, err
	}
	e.webhooks = webhook.NewSenders(store, logger, now, &webhooks.Counts)
	e.stopped.Go(e.keepPruning)
	e.stopped.Go(func() { e.open.Keep(store, now, e.stop) })
	return e, nil
}

// Destruct ends what is being served soon, saves what is unsaved and closes the store. The
// pool calls it when the last config releases the store.
func (e *openStore) Destruct() error {
	e.open.Close()
	e.webhooks.Close()
	close(e.stop)
	e.stopped.Wait()
	e.listening.Close()
	e.limits.Close()
	return e.store.Close()
}

// warnings are what does not work although requests are decided.
func (e *openStore) warnings() []error { return append(e.listening.Taken(), e.webhooks.Failing()...) }

// setBrand records the brand of the tokens. If the brand does not change, this
// works even while the store takes no changes.
func (e *openStore) setBrand(brand string) error {
	if known := e.brand.Load(); known != nil && *known == brand {
		return nil
	}
	if err := e.store.SetBrand(brand); err != nil {
		return err
	}
	e.brand.Store(&brand)
	return nil
}

// retain sets how long audit entries are kept. Older ones are dropped soon after.
func (e *openStore) retain(d time.Duration) {
	if e.retention.Swap(int64(d)) == int64(d) {
		return
	}
	select {
	case e.retained <- struct{}{}:
	default: // a signal is pending already
	}
}

// keepPruning runs apart from the saving of use, which must not wait for it.
func (e *openStore) keepPruning() {
	daily := time.NewTicker(pruneEvery)
	defer daily.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-e.retained:
		case <-daily.C:
		}
		e.prune(e.now())
	}
}

func (e *openStore) prune(now time.Time) {
	retention := time.Duration(e.retention.Load())
	if retention == 0 {
		return // no config has started yet
	}
	if err := e.store.Prune(apikey.DayOf(now)-keystore.UsageDays, now.Add(-retention)); err != nil {
		metrics.storeErrors.Inc()
		e.logger.Error("old use and audit entries could not be dropped; trying again in a day", zap.Error(err))
	}
}

// failureBudget identifies budgets of failures: handlers with the same value share
// them. Mode report has budgets of its own, because there requests charge them and
// pass nevertheless.
type failureBudget struct {
	perMinute int
	reported  bool
}

// failuresWithin returns the budgets of clients. Handlers with the same limit
// share them, also across reloads.
func (e *openStore) failuresWithin(b failureBudget) *ratelimit.Failures {
	e.failuresMu.RLock()
	f := e.failures[b]
	e.failuresMu.RUnlock()
	if f != nil {
		return f
	}
	e.failuresMu.Lock()
	defer e.failuresMu.Unlock()
	if f = e.failures[b]; f == nil {
		f = ratelimit.NewFailures(b.perMinute)
		e.failures[b] = f
	}
	return f
}

// unsavedUse reports use that could not be saved.
type unsavedUse struct {
	logger *zap.Logger
	often  logthrottle.Throttle
}

func (u *unsavedUse) report(err error) {
	metrics.storeErrors.Inc()
	u.often.Error(u.logger, time.Now(), "the use of keys could not be saved; it will be tried again", zap.Error(err))
}
