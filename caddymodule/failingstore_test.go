package caddymodule

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/keystore"
)

// failingStore is a store of which one method fails, after it did what it can.
type failingStore struct {
	keystore.Store
	method string
	err    error
	failed bool // whether the method was called

	pruning chan struct{} // unless it is nil, gets a value when pruning begins, and one is taken to end it
	closed  bool
}

// failingModule opens a store in a file as a failingStore.
type failingModule struct {
	stores.Bolt
	failing *failingStore
	opened  int
	err     error // of opening it
}

func newFailing(t *testing.T, method string) *failingModule {
	t.Helper()
	m := &failingModule{Bolt: stores.Bolt{Path: filepath.Join(t.TempDir(), "data", "keys.db")}}
	m.failing = &failingStore{method: method, err: errors.New("input/output error")}
	if err := m.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *failingStore) Prune(day apikey.Day, before time.Time) error {
	if s.pruning != nil {
		s.pruning <- struct{}{}
		<-s.pruning
	}
	return s.in("Prune", s.Store.Prune(day, before))
}

func (s *failingStore) Close() error {
	s.closed = true
	return s.Store.Close()
}

func (s *failingStore) in(method string, err error) error {
	if s.method != method {
		return err
	}
	s.failed = true
	return s.err
}

func (s *failingStore) SetBrand(brand string) error {
	if s.method == "SetBrand" {
		return s.in("SetBrand", nil)
	}
	return s.Store.SetBrand(brand)
}

func (s *failingStore) SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error {
	if s.method == "SaveUsage" {
		return s.in("SaveUsage", nil)
	}
	return s.Store.SaveUsage(keys, workspaces)
}

func (s *failingStore) UsageSince(day apikey.Day, key func(apikey.Usage), workspace func(apikey.WorkspaceUsage)) error {
	return s.in("UsageSince", s.Store.UsageSince(day, key, workspace))
}

func (s *failingStore) Buckets(yield func(apikey.Bucket)) error {
	return s.in("Buckets", s.Store.Buckets(yield))
}

func (s *failingStore) SaveBuckets(buckets []apikey.Bucket) error {
	if s.method == "SaveBuckets" {
		return s.in("SaveBuckets", nil)
	}
	return s.Store.SaveBuckets(buckets)
}

func (m *failingModule) Open(logger *zap.Logger) (keystore.Store, error) {
	m.opened++
	if m.err != nil {
		return nil, m.err
	}
	store, err := m.Bolt.Open(logger)
	m.failing.Store = store
	return m.failing, err
}
