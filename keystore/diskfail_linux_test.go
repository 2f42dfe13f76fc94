package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/apikey"
)

// changeUnderTest is a change of the store that a disk may fail.
type changeUnderTest struct {
	name   string
	change func(b *Bolt) error

	// denied says whether what the change takes away is denied.
	denied func(b *Bolt) bool
}

// changesUnderTest work on a store of [writeStore] with three keys.
func changesUnderTest(t *testing.T) []changeUnderTest {
	id := numberedID(0)
	grant := func(b *Bolt) apikey.Grant { g, _ := b.index.Lookup(id); return g }
	update := func(edit func(*apikey.Key)) func(*Bolt) error {
		return func(b *Bolt) error {
			_, err := b.Update(id, "update", testActor, func(k *apikey.Key) error { edit(k); return nil })
			return err
		}
	}
	another := testKey(t)
	another.ID = numberedID(77)
	return []changeUnderTest{
		{"revoke", update(func(k *apikey.Key) { k.RevokedAt = time.Unix(1, 0) }), func(b *Bolt) bool { return grant(b).State == apikey.StateRevoked }},
		{"disable", update(func(k *apikey.Key) { k.Disabled = true }), func(b *Bolt) bool { return grant(b).State == apikey.StateDisabled }},
		{"take a scope and add one", update(func(k *apikey.Key) { k.Scopes = []string{"queue:read"} }), func(b *Bolt) bool { return len(grant(b).Scopes.List) == 0 }},
		{"lower one limit and raise another", update(func(k *apikey.Key) { k.Limits.PerDay, k.Limits.PerMinute = 1, 1000 }), func(b *Bolt) bool {
			return grant(b).Limits.PerDay == 1 && grant(b).Limits.PerMinute < 1000
		}},
		{"bind to an address", update(func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.7"} }), func(b *Bolt) bool { return grant(b).Places != nil }},
		{"rotate", func(b *Bolt) error {
			_, err := b.Rotate(id, testActor, func(old, next *apikey.Key) error {
				next.ID, next.Hash[0], old.ExpiresAt = numberedID(88), 9, time.Unix(5, 0)
				return nil
			})
			return err
		}, func(b *Bolt) bool {
			_, successor, _ := b.Lookup(numberedID(88))
			return grant(b).ExpiresAt == 5e9 && !successor
		}},
		{"delete", func(b *Bolt) error { return b.Delete(id, testActor, nil) }, func(b *Bolt) bool { _, ok, _ := b.Lookup(id); return !ok }},
		{"create", func(b *Bolt) error { return b.Create(another, testActor) }, func(b *Bolt) bool { _, ok, _ := b.Lookup(another.ID); return !ok }},
		{"create all", func(b *Bolt) error { return b.CreateAll([]apikey.Key{another}, testActor, nil) }, func(b *Bolt) bool { _, ok, _ := b.Lookup(another.ID); return !ok }},
		{"limit a workspace", func(b *Bolt) error {
			return b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerMinute: 5}, testActor)
		}, func(b *Bolt) bool {
			lim, _ := b.WorkspaceLimits("acme")
			return lim == apikey.WorkspaceLimits{PerMinute: 5, PerDay: 9}
		}},
		{"save use", func(b *Bolt) error {
			return b.SaveUsage([]apikey.Usage{{ID: id, Day: 1, Charged: 3}}, nil)
		}, func(*Bolt) bool { return true }},
		{"save what is seen", func(b *Bolt) error {
			return b.SaveUsage([]apikey.Usage{{ID: id, Day: 1, Seen: &apikey.Sighting{Scopes: grant(b).Scopes, Needed: 1}}}, nil)
		}, func(*Bolt) bool { return true }},
		{"save buckets", func(b *Bolt) error {
			return b.SaveBuckets([]apikey.Bucket{{ID: id, Tokens: 1, PerMinute: 6, Burst: 6}})
		}, func(*Bolt) bool { return true }},
		{"brand", func(b *Bolt) error { return b.SetBrand("other") }, func(*Bolt) bool { return true }},
	}
}

// limitedStore returns what makes stores of three keys, in a workspace with limits.
func limitedStore(t *testing.T) func(*testing.T) string {
	t.Helper()
	path := writeStore(t, 3)
	b := openTest(t, path)
	if err := b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 9}, testActor); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "keygate.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

// TestFailedWrites refuses each write of each change in turn.
func TestFailedWrites(t *testing.T) {
	newStore := limitedStore(t)
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EROFS, unix.EIO} {
		changes := changesUnderTest(t)
		if errno != unix.ENOSPC {
			changes = changes[:1] // they differ in the advice alone
		}
		for _, c := range changes {
			t.Run(fmt.Sprintf("%s/%s", unix.ErrnoName(errno), c.name), func(t *testing.T) {
				t.Parallel()
				for at, writes := int64(1), int64(1); at <= writes; at++ {
					b := openTest(t, newStore(t))
					b.now, b.foldedAt = func() time.Time { return testActor.At }, testActor.At
					before := contentOf(t, b)
					var failing, seen atomic.Int64 // the write to refuse, and the last one; 0: none
					withDisk(t, func(call diskCall) unix.Errno {
						if call.op != "write" {
							return 0
						}
						if seen.Add(1) == failing.Load() {
							return errno
						}
						return 0
					}, func() {
						failing.Store(at)
						err := c.change(b)
						if !errors.Is(err, ErrNotWritten) || errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, errno) {
							t.Errorf("write %d: %v; want ErrNotWritten", at, err)
						} else if full := strings.Contains(err.Error(), "free space"); full != (errno == unix.ENOSPC) {
							t.Errorf("write %d: %v", at, err)
						}
						if after := contentOf(t, b); !reflect.DeepEqual(before, after) {
							t.Errorf("write %d: something has changed", at)
						}
						if g, ok, err := b.Lookup(numberedID(0)); !ok || err != nil || g.State != apikey.StateUsable {
							t.Errorf("write %d: the key is %+v, %t, %v", at, g, ok, err)
						}
						if err := b.Writable(); !errors.Is(err, ErrNotWritten) || !strings.Contains(err.Error(), "since 2026-11-23T10:00:00Z") {
							t.Errorf("write %d: writable: %v", at, err)
						}
						failing.Store(0)
						seen.Store(0)
						if err := c.change(b); err != nil { // there is room again
							t.Errorf("write %d: again: %v", at, err)
						}
						if err := b.Writable(); err != nil {
							t.Errorf("write %d: writable again: %v", at, err)
						}
						writes = seen.Load()
					})
					if _, err := b.Check(func(name string, err error) { t.Errorf("%s: %v", name, err) }); err != nil {
						t.Error(err)
					}
					b.Close()
				}
			})
		}
	}
}

// TestFailedSyncs fails each sync of each change in turn.
func TestFailedSyncs(t *testing.T) {
	newStore := limitedStore(t)
	for _, c := range changesUnderTest(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for at := 1; at <= 2; at++ { // of the pages, and of the meta page
				path := newStore(t)
				b := openTest(t, path)
				before, syncs := contentOf(t, b), 0
				withDisk(t, func(call diskCall) unix.Errno {
					if call.op != "sync" {
						return 0
					}
					if syncs++; syncs == at {
						return unix.EIO
					}
					return 0
				}, func() {
					err := c.change(b)
					if !errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrNotWritten) || !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "restart") {
						t.Errorf("sync %d: %v; want ErrUnknownOutcome", at, err)
					}
				})
				if !c.denied(b) {
					t.Errorf("sync %d: what may have been taken away is not denied", at)
				}
				for _, again := range changesUnderTest(t) {
					if err := again.change(b); !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrNotFound) {
						t.Errorf("sync %d: %s after it: %v; want ErrReadOnly", at, again.name, err)
					}
				}
				if err := b.Writable(); !errors.Is(err, ErrReadOnly) {
					t.Errorf("sync %d: writable: %v", at, err)
				}
				if _, err := b.Get(numberedID(1)); err != nil {
					t.Errorf("sync %d: get: %v", at, err)
				}
				if _, ok, err := b.Lookup(numberedID(1)); !ok || err != nil {
					t.Errorf("sync %d: lookup: %t, %v", at, ok, err)
				}
				b.Close()
				wantEither(t, path, newStore(t), before, c)
			}
		})
	}
}

// wantEither opens a store again, in which a change is whole or not there.
func wantEither(t *testing.T, path, another string, before map[string]map[string]string, c changeUnderTest) {
	t.Helper()
	b := openTest(t, path)
	defer b.Close()
	if _, err := b.Check(func(name string, err error) { t.Errorf("%s: %v", name, err) }); err != nil || len(b.Damaged()) > 0 {
		t.Errorf("check: %v, damaged: %v", err, b.Damaged())
	}
	if reflect.DeepEqual(contentOf(t, b), before) {
		if err := c.change(b); err != nil {
			t.Errorf("%s once the disk is well: %v", c.name, err)
		}
		return
	}
	whole := openTest(t, another)
	defer whole.Close()
	if err := c.change(whole); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(contentOf(t, b), contentOf(t, whole)) {
		t.Error("the change is there in part")
	}
}
