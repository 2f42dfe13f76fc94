package storetest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func testBrand(t *testing.T, f Factory) {
	s := f.New(t)
	for _, brand := range []string{"", "patra", "patra", "acme", ""} {
		if err := s.SetBrand(brand); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Brand(); err != nil || got != brand {
			t.Errorf("brand %q, %v; want %q", got, err, brand)
		}
	}
}

func testCounts(t *testing.T, f Factory) {
	s := f.New(t)
	check := func(at time.Time, active, disabled, expired, revoked int) {
		t.Helper()
		want := map[apikey.Status]int{
			apikey.Active: active, apikey.Disabled: disabled, apikey.Expired: expired, apikey.Revoked: revoked,
		}
		if got := s.Counts(at); !maps.Equal(got, want) {
			t.Errorf("counts: %v; want %v", got, want)
		}
	}
	check(now, 0, 0, 0, 0)
	create(t, s, newKey(t, 1), newKey(t, 2), newKey(t, 3), newKey(t, 4), fullKey(t, 5))
	check(now, 4, 0, 0, 1)
	update(t, s, keyID(2), "disable", func(k *apikey.Key) { k.Disabled = true })
	update(t, s, keyID(3), "update", func(k *apikey.Key) { k.ExpiresAt = now })
	check(now, 2, 1, 1, 1)
	check(now.Add(-1), 3, 1, 0, 1)
	update(t, s, keyID(2), "revoke", revoke)
	if err := s.Delete(keyID(4), by, nil); err != nil {
		t.Fatal(err)
	}
	check(now, 1, 0, 1, 2)
	check(now, 1, 0, 1, 2)
	s = f.Reopen(t, s)
	check(now, 1, 0, 1, 2)
}

// fill puts something of everything into a store; wantFilled finds it again.
func fill(t *testing.T, s keystore.Store) {
	t.Helper()
	create(t, s, newKey(t, 1), fullKey(t, 2), newKey(t, 3), newKey(t, 4))
	update(t, s, keyID(3), "revoke", revoke)
	if err := s.Delete(keyID(4), by, nil); err != nil {
		t.Fatal(err)
	}
	saveUsage(t, s, apikey.Usage{ID: keyID(1), Day: 20000, Charged: 5, Allowed: 1, LastUsed: now.Unix()})
	if err := s.SetBrand("acme"); err != nil {
		t.Fatal(err)
	}
}

func wantFilled(t *testing.T, s keystore.Store) {
	t.Helper()
	wantKey(t, s, newKey(t, 1))
	wantKey(t, s, fullKey(t, 2))
	revoked := newKey(t, 3)
	revoke(&revoked)
	wantKey(t, s, revoked)
	wantNone(t, s, keyID(4))
	wantIDs(t, s, keystore.Query{Workspace: "acme"}, keyID(1), keyID(2), keyID(3))
	wantUsage(t, s, keyID(1), 0, 30000, apikey.Usage{ID: keyID(1), Day: 20000, Charged: 5, Allowed: 1, LastUsed: now.Unix()})
	wantLastUsed(t, s, keyID(1), now)
	wantActions(t, s, apikey.ID{}, "delete", "revoke", "create", "create", "create", "create")
	if brand, err := s.Brand(); err != nil || brand != "acme" {
		t.Errorf("brand %q, %v", brand, err)
	}
}

func testReopened(t *testing.T, f Factory) {
	s := f.New(t)
	fill(t, s)
	before := auditOf(t, s, apikey.ID{})[0].Seq
	s = f.Reopen(t, s)
	wantFilled(t, s)
	update(t, s, keyID(1), "revoke", revoke)
	if after := auditOf(t, s, apikey.ID{})[0].Seq; after <= before {
		t.Errorf("sequence %d follows %d", after, before)
	}
}

func testBackup(t *testing.T, f Factory) {
	s := f.New(t)
	fill(t, s)
	var backup bytes.Buffer
	if err := s.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	update(t, s, keyID(1), "revoke", revoke) // after the backup
	restored := f.Restore(t, bytes.NewReader(backup.Bytes()))
	wantFilled(t, restored)
	create(t, restored, newKey(t, 5))
	wantNone(t, s, keyID(5))

	full := errors.New("no space left")
	if err := s.Backup(writerFunc(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("backup to a full disk: %v; want the writer's error", err)
	}
	// While a backup is being written the store serves, also writes.
	n := 10
	err := s.Backup(writerFunc(func(p []byte) (int, error) {
		create(t, s, newKey(t, n))
		n++
		return len(p), nil
	}))
	if err != nil || n == 10 {
		t.Errorf("backup with writes meanwhile: %v after %d writes", err, n-10)
	}
	for i := 10; i < n; i++ {
		wantKey(t, s, newKey(t, i))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func testClosed(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edited := func(*apikey.Key) error { t.Error("edit was called"); return nil }
	for i, err := range []error{
		second(s.Lookup(keyID(1))),
		second(s.LookupOpaque(hashOf(1))),
		second(s.Get(keyID(1))),
		second(s.List(keystore.Query{})),
		s.Create(newKey(t, 2), by),
		s.CreateAll(nil, by, nil),
		s.CreateAll([]apikey.Key{newKey(t, 2)}, by, nil),
		second(s.Update(keyID(1), "revoke", by, edited)),
		second(s.Rotate(keyID(1), by, func(old, _ *apikey.Key) error { return edited(old) })),
		s.Delete(keyID(1), by, nil),
		s.SaveUsage(nil, nil),
		s.SaveUsage([]apikey.Usage{{ID: keyID(1)}}, nil),
		s.UsageSince(0, func(apikey.Usage) { t.Error("usage was yielded") }, func(apikey.WorkspaceUsage) { t.Error("usage was yielded") }),
		s.SaveBuckets(nil),
		s.Buckets(func(apikey.Bucket) { t.Error("a bucket was yielded") }),
		s.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 1}, by),
		s.SetWorkspaceLimits("acme", nil, by),
		second(s.Usage(keyID(1), 0, 1)),
		second(s.LastUsed(keyID(1))),
		second(s.Seen([]apikey.ID{keyID(1)})),
		second(s.HeldScopes("", 1)),
		second(s.Audit(keystore.AuditQuery{})),
		second(s.AuditAfter(0, 1)),
		second(s.OpenOutbox("box", "me", now)),
		second(s.KeepOutbox("box", "me", now)),
		s.ChangeOutbox("box", "me", keystore.OutboxChange{}),
		s.LeaveOutbox("box", "me"),
		second(s.ForgetOutboxes(now)),
		second(s.Brand()),
		s.SetBrand("acme"),
		s.Backup(io.Discard),
		second(s.Check(func(string, error) { t.Error("a problem was yielded") })),
		s.Prune(0, now),
		s.Expiring(now, now.Add(time.Hour), func(*apikey.Key) bool { t.Error("a key was yielded"); return true }),
		second(s.CountExpiring(now, now.Add(time.Hour))),
		s.Writable(),
		s.Close(),
	} {
		if !errors.Is(err, keystore.ErrClosed) {
			t.Errorf("call %s after Close: %v; want ErrClosed", strconv.Itoa(i), err)
		}
		if !keystore.IsFailure(err) {
			t.Errorf("call %s after Close: %v is no failure of the store", strconv.Itoa(i), err)
		}
	}
	if n := s.Counts(now)[apikey.Active]; n != 0 {
		t.Errorf("%d active keys in a closed store", n)
	}
}

// second returns the last of several results.
func second(results ...any) error {
	err, _ := results[len(results)-1].(error)
	return err
}
