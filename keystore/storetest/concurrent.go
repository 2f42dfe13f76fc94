package storetest

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// testRevokeUnderLoad has readers look a key up without pause. Whoever starts
// a look-up after Update returned must see the key revoked.
func testRevokeUnderLoad(t *testing.T, f Factory) {
	s := f.New(t)
	const keys = 10
	for n := range keys {
		create(t, s, newKey(t, n))
	}
	var revoked [keys]atomic.Bool
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				for n := range keys {
					before := revoked[n].Load()
					g, ok, err := s.Lookup(keyID(n))
					if err != nil || !ok || before && g.State != apikey.StateRevoked {
						t.Errorf("lookup of key %d: %t, %v, revoked before: %t, state %d", n, ok, err, before, g.State)
						done.Store(true)
						return
					}
				}
			}
		})
	}
	for n := range keys {
		update(t, s, keyID(n), "revoke", revoke)
		revoked[n].Store(true)
	}
	done.Store(true)
	readers.Wait()
}

// testLostUpdate counts in a field from many goroutines at once.
func testLostUpdate(t *testing.T, f Factory) {
	s := f.New(t)
	k := newKey(t, 1)
	k.Limits.PerDay = 1
	create(t, s, k)
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_, err := s.Update(k.ID, "update", by, func(k *apikey.Key) error { k.Limits.PerDay++; return nil })
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	k.Limits.PerDay = 1 + writers*each
	wantKey(t, s, k)
	page, err := s.Audit(keystore.AuditQuery{Limit: keystore.MaxPage})
	if err != nil || len(page.Entries) != writers*each+1 {
		t.Errorf("%d audit entries, %v; want %d", len(page.Entries), err, writers*each+1)
	}
}

// testAllAtOnce is for the race detector: every method beside every other. At
// the end, what look-ups see is what is stored.
func testAllAtOnce(t *testing.T, f Factory) {
	s := f.New(t)
	const keys, rounds = 8, 3
	var wg sync.WaitGroup
	for n := range keys {
		wg.Go(func() {
			for round := range rounds {
				create(t, s, newKey(t, n))
				update(t, s, keyID(n), "update", func(k *apikey.Key) {
					k.AllowedIPs, k.Scopes = []string{"203.0.113.7"}, []string{"posts:write"}
				})
				saveUsage(t, s, apikey.Usage{ID: keyID(n), Day: 20000, Allowed: uint64(round) + 1, LastUsed: 60})
				if round < rounds-1 {
					if err := s.Delete(keyID(n), by, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for _, read := range []func() error{
		func() error { return second(s.List(keystore.Query{Status: apikey.Active, Now: now})) },
		func() error { return second(s.Audit(keystore.AuditQuery{Key: keyID(1)})) },
		func() error { return second(s.Usage(keyID(1), 0, 30000)) },
		func() error { return s.UsageSince(20000, func(apikey.Usage) {}, func(apikey.WorkspaceUsage) {}) },
		func() error { return second(s.LastUsed(keyID(1))) },
		func() error { return second(s.HeldScopes("", 2)) },
		func() error { return s.Backup(io.Discard) },
		func() error {
			_, err := s.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) })
			s.HasOpaque()
			return errors.Join(err, s.Prune(20000, now), second(s.LookupOpaque(hashOf(1))))
		},
		func() error { s.Counts(now); return s.SetBrand("acme") },
		func() error { return s.Expiring(now, now.AddDate(0, 1, 0), func(*apikey.Key) bool { return true }) },
		func() error {
			for n := range keys {
				g, ok, err := s.Lookup(keyID(n))
				if err != nil {
					return err
				}
				if ok && (g.Hash != hashOf(n) || g.Workspace != "acme" || g.Scopes == nil) {
					t.Errorf("look-up of key %d returns another's grant", n)
				}
			}
			return nil
		},
	} {
		wg.Go(func() {
			for range 30 {
				if err := read(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for n := range keys {
		want := newKey(t, n)
		want.AllowedIPs, want.Scopes = []string{"203.0.113.7"}, []string{"posts:write"}
		wantKey(t, s, want)
	}
	wantActions(t, f.Reopen(t, s), keyID(0), "update", "create", "delete", "update", "create", "delete", "update", "create")
}
