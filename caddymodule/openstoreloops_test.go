package caddymodule

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/lasting"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/keystore"
)

// keeperModule opens a store that keeps the limits of its keys itself.
type keeperModule struct{ *failingModule }

type keeperStore struct {
	keystore.Store
	limits  stores.Limits
	unsaved func(error)
}

// closableLimits know whether they were closed.
type closableLimits struct {
	stores.Limits
	closed bool
}

// A store that keeps the limits itself is asked for them, and what it cannot save
// is told as of any other.
func TestLimitsThatTheStoreKeeps(t *testing.T) {
	core, logged := observer.New(zap.ErrorLevel)
	e, err := openNewStore(keeperModule{newFailing(t, "UsageSince")}, zap.New(core), time.Now) // nothing reads its use
	if err != nil {
		t.Fatal(err)
	}
	store, _ := e.store.(*keeperStore)
	limits, ok := e.limits.(*closableLimits)
	if store == nil || !ok {
		t.Fatalf("the limits are %T of %T", e.limits, e.store)
	}
	before := countedFailures(t)
	store.unsaved(errors.New("no answer"))
	if n := countedFailures(t) - before; n != 1 || logged.FilterMessageSnippet("could not be saved").Len() != 1 {
		t.Errorf("counted %v, logged %v", n, logged.All())
	}
	if err := e.Destruct(); err != nil || !limits.closed {
		t.Errorf("%v, the limits are closed: %v", err, limits.closed)
	}
}

// The loops of an engine run from its start to its end, and what they do to the
// store is over before that is closed.
func TestLoopsOfAnEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFailing(t, "Prune")
		m.failing.pruning = make(chan struct{})
		core, logged := observer.New(zap.ErrorLevel)
		e, err := openNewStore(m, zap.New(core), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		h := &Handler{app: &App{now: time.Now}}
		h.app.opened.Store(e)
		k, _ := storeKey(t, h, nil)
		var r lasting.Request
		e.open.Join(&r, k.ID, k.Hash, nil, nil)
		if _, err := e.store.Update(k.ID, "revoke", keystore.Actor{At: testStart, Via: "test"}, func(k *apikey.Key) error {
			k.RevokedAt = testStart
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		(*world).wait(nil, 2*lasting.Every+1)
		synctest.Wait()
		if !r.Leave() {
			t.Error("a request outlives its key")
		}

		before := countedFailures(t)
		for range 2 { // at once, and after a day
			e.retain(defaultRetention)
			<-m.failing.pruning
			m.failing.pruning <- struct{}{}
			synctest.Wait()
		}
		if n := countedFailures(t) - before; n != 2 || logged.FilterMessageSnippet("could not be dropped").Len() != 2 {
			t.Errorf("counted %v, logged %v", n, logged.All())
		}

		m.failing.method = "" // which is told to nobody
		e.retain(minRetention)
		<-m.failing.pruning
		var done sync.WaitGroup
		done.Go(func() {
			if err := e.Destruct(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if m.failing.closed {
			t.Error("the store is closed while it is pruned")
		}
		m.failing.pruning <- struct{}{}
		done.Wait()
		if !m.failing.closed {
			t.Error("the store is not closed")
		}
		if n := countedFailures(t) - before; n != 2 {
			t.Errorf("counted %v, also what did not fail", n)
		}
	})
}

func (s *keeperStore) Limits(unsaved func(error)) stores.Limits {
	s.unsaved = unsaved
	return s.limits
}

func (l *closableLimits) Close() { l.closed = true }

func (m keeperModule) Open(logger *zap.Logger) (keystore.Store, error) {
	store, err := m.failingModule.Open(logger)
	return &keeperStore{Store: store, limits: new(closableLimits)}, err
}
