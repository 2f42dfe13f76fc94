package keystore

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// rebuild makes a store file of what another store tells of itself.
func rebuild(t *testing.T, b *Bolt, path string) error {
	t.Helper()
	brand, err := b.Brand()
	if err != nil {
		t.Fatal(err)
	}
	newest, err := b.Audit(AuditQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return BuildFile(path, brand, newest.Entries[0].Seq, func(f *Builder) (failed error) {
		keep := func(err error) { failed = errors.Join(failed, err) }
		for q := (Query{Limit: MaxPage}); ; {
			page, err := b.List(q)
			keep(err)
			for i, k := range page.Keys {
				keep(f.Key(&k))
				keep(b.view(func(tx *bolt.Tx) error {
					use, err := b.useOf(tx, string(kindSeen), k.ID)
					if err != nil || use.get(bucketSeen, k.ID[:]) == nil {
						return err
					}
					r, err := storedSeen(use, k.ID)
					return errors.Join(err, f.Seen(k.ID, &r))
				}))
				if !page.LastUsed[i].IsZero() {
					keep(f.LastUsed(k.ID, page.LastUsed[i]))
				}
			}
			if q.After = page.Next; q.After.IsZero() {
				break
			}
		}
		keep(b.UsageSince(math.MinInt32, func(u apikey.Usage) { keep(f.Usage(u)) }, func(u apikey.WorkspaceUsage) { keep(f.WorkspaceUsage(u)) }))
		keep(b.view(func(tx *bolt.Tx) error {
			day, _ := watchedSince(tx)
			return f.Watched(day)
		}))
		for workspace, lim := range b.AllWorkspaceLimits() {
			keep(f.WorkspaceLimits(workspace, lim))
		}
		for q := (AuditQuery{Limit: MaxPage}); ; {
			page, err := b.Audit(q)
			keep(err)
			for _, e := range page.Entries {
				keep(f.Audit(e, placeIn(t, b, &e)))
			}
			if q.Before = page.Next; q.Before == 0 {
				break
			}
		}
		return failed
	})
}

// placeIn returns where a store has an entry in the trail of its workspace.
func placeIn(t *testing.T, b *Bolt, e *AuditEntry) (at AuditPlace) {
	t.Helper()
	err := b.view(func(tx *bolt.Tx) (err error) {
		if e.Key.IsZero() {
			at, _ = findPlace(tx, e.Workspace, e.Seq)
			return nil
		}
		at, err = placeOf(tx, e.Key, binary.BigEndian.AppendUint64(nil, e.Seq))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// readable is contentOf with the entries of the trail as they are read: JSON
// objects have no order.
func readable(t *testing.T, b *Bolt) map[string]map[string]string {
	t.Helper()
	content := contentOf(t, b)
	trail := content[string(bucketAudit)]
	for name, value := range trail {
		var e AuditEntry
		if err := decodeAudit([]byte(name), []byte(value), &e); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		trail[name] = string(text)
	}
	return content
}

// TestBuildFile rebuilds stores, of less and of more than one transaction holds:
// the copies have the same in every record.
func TestBuildFile(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 290, 700} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			b := openThree(t)
			var more []apikey.Key
			for n := range keys {
				more = append(more, numberedKey(t, 100+n))
			}
			seen := &apikey.Sighting{Scopes: apikey.NewScopeSet([]string{"posts:write"}), Needed: 1, Network: apikey.SeveralNetworks}
			use := []apikey.Usage{{ID: numberedID(2), Day: 20000, Seen: seen}, {ID: numberedID(2), Day: -1, Denied: 2, LastUsed: 3600}, {ID: numberedID(2), Day: 20001, Limited: 1, Charged: 1 << 40}}
			lim := &apikey.WorkspaceLimits{PerMinute: 6}
			if _, err := b.Rotate(numberedID(3), testActor, func(_, next *apikey.Key) error {
				next.ID, next.Hash = numberedID(4), apikey.Hash{4}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			charged := []apikey.Usage{{ID: numberedID(3), Day: 20001, Charged: 7}, {ID: numberedID(4), Day: 20001, Allowed: 1}}
			if err := errors.Join(
				b.CreateAll(more, testActor, nil), b.SetBrand("acme"), b.SetWorkspaceLimits("acme", lim, testActor), b.SetWorkspaceLimits("a", lim, testActor),
				b.SetWorkspaceLimits("a", nil, testActor), b.SaveUsage(use, []apikey.WorkspaceUsage{{Workspace: "acme", Day: 20000, Charged: 7}}),
				b.SaveUsage(charged, nil), b.Delete(numberedID(3), testActor, nil), // of which the charge stays for its successor
				b.Delete(numberedID(1), testActor, nil), b.Prune(20001, time.Time{}), // of that use, only when it was stays
			); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "copy.db")
			if err := rebuild(t, b, path); err != nil {
				t.Fatal(err)
			}
			if n, err := VerifyFile(path); err != nil || n != keys+2 {
				t.Errorf("%d keys, %v; want %d", n, err, keys+2)
			}
			again := openTest(t, path)
			if !reflect.DeepEqual(readable(t, again), readable(t, b)) {
				t.Error("the copy differs")
			}
			for _, s := range []*Bolt{again, b} { // both go on with the same number
				if err := s.Delete(numberedID(2), testActor, nil); err != nil {
					t.Error(err)
				}
			}
			if !reflect.DeepEqual(readable(t, again), readable(t, b)) {
				t.Error("the copy differs after a change")
			}
		})
	}
}

// What an engine that holds keys to their limits itself has charged to each key
// is charged to its account in the file, in whichever order it comes.
func TestBuildFileChargesAccounts(t *testing.T) {
	first, next, last := numberedKey(t, 1), numberedKey(t, 2), numberedKey(t, 3)
	next.Account, last.Account = first.ID, first.ID
	use := []apikey.Usage{
		{ID: first.ID, Day: 20000, Charged: 10, Allowed: 9, Limited: 1, LastUsed: 60},
		{ID: next.ID, Day: 20000, Charged: 5, Allowed: 4, Denied: 3},
		{ID: last.ID, Day: 20000, Charged: 100, Allowed: 2, LastUsed: 120},
	}
	want := []apikey.Usage{use[0], use[1], use[2]}
	want[0].Charged, want[1].Charged, want[2].Charged = 115, 0, 0
	for n := range 3 {
		path := filepath.Join(t.TempDir(), "copy.db")
		if err := BuildFile(path, "", 0, func(f *Builder) (failed error) {
			for i := range use {
				failed = errors.Join(failed, f.Key([]*apikey.Key{&first, &next, &last}[i]))
			}
			for i := range use {
				failed = errors.Join(failed, f.Usage(use[(i+n)%3]))
			}
			return failed
		}); err != nil {
			t.Fatal(err)
		}
		var got []apikey.Usage
		if err := openTest(t, path).UsageSince(0, func(u apikey.Usage) { got = append(got, u) }, nil); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("begun with %d: %+v, %v; want %+v", n, got, err, want)
		}
	}
}

// TestBuildFileFails hands on what fill returns, and lets the file go.
func TestBuildFileFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy.db")
	refusal := errors.New("refused")
	k := numberedKey(t, 1)
	if err := BuildFile(path, "", 0, func(f *Builder) error { return errors.Join(f.Key(&k), refusal) }); !errors.Is(err, refusal) {
		t.Errorf("%v; want what fill returned", err)
	}
	openTest(t, path).Close()                     // nobody holds it
	full := filepath.Join(t.TempDir(), "full.db") // one transaction to the brim, of which the first put is the number
	if err := BuildFile(full, "", 0, func(f *Builder) (failed error) {
		for n := range buildBatch - 1 {
			k := numberedKey(t, 10+n)
			failed = errors.Join(failed, f.Key(&k))
		}
		return failed
	}); err != nil {
		t.Error(err)
	}
	if n, err := VerifyFile(full); err != nil || n != buildBatch-1 {
		t.Errorf("%d keys, %v; want %d", n, err, buildBatch-1)
	}
	if err := BuildFile(filepath.Join(path, "below"), "", 0, func(*Builder) error { return nil }); err == nil {
		t.Error("a file below a file was made")
	}
}

// TestRecords: what another engine keeps by these functions is what a store
// file has after the same change.
func TestRecords(t *testing.T) {
	b := openThree(t)
	stored, err := b.Get(numberedID(3))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(k *apikey.Key) error {
		k.Name, k.Workspace, k.Opaque, k.ExpiresAt = "renamed", "other", false, time.Unix(99, 5)
		return nil
	}
	edited, _, err := Edited(&stored, edit)
	if err != nil {
		t.Fatal(err)
	}
	updated, err := b.Update(stored.ID, "update", testActor, edit)
	if err != nil || !reflect.DeepEqual(edited, updated) || edited.Name != "renamed" {
		t.Errorf("edited %+v; want %+v (%v)", edited, updated, err)
	}
	if again, err := DecodeKey(edited.ID, EncodeKey(&edited)); err != nil || !reflect.DeepEqual(again, edited) {
		t.Errorf("decoded %+v, %v; want %+v", again, err, edited)
	}
	if want, _ := edited.Grant(); true {
		if g, err := Prepare(&edited); err != nil || !reflect.DeepEqual(g, want) {
			t.Errorf("prepared %+v, %v; want %+v", g, err, want)
		}
	}

	rotate := func(old, successor *apikey.Key) error {
		successor.ID, successor.Hash[0], successor.Workspace, old.ExpiresAt = numberedID(9), 9, "other", time.Unix(50, 0)
		return nil
	}
	rotation, err := Rotated(&updated, rotate)
	old, successor := rotation.Old, rotation.Successor
	if err != nil {
		t.Fatal(err)
	}
	wantSuccessor, err := b.Rotate(stored.ID, testActor, rotate)
	if err != nil {
		t.Fatal(err)
	}
	wantOld, err := b.Get(stored.ID)
	if err != nil || !reflect.DeepEqual(old, wantOld) || !reflect.DeepEqual(successor, wantSuccessor) {
		t.Errorf("rotated %+v and %+v; want %+v and %+v (%v)", old, successor, wantOld, wantSuccessor, err)
	}
	trail, err := b.Audit(AuditQuery{Key: stored.ID, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := Changes(&updated, &old, testActor.At); err != nil || !reflect.DeepEqual(changed, trail.Entries[0].Changes) {
		t.Errorf("changes %+v, %v; want %+v", changed, err, trail.Entries[0].Changes)
	}
	if changed, err := Changes(&old, &old, testActor.At); err != nil || changed != nil {
		t.Errorf("no change is %+v, %v", changed, err)
	}

	refusal := errors.New("refused")
	if _, _, err := Edited(&stored, func(*apikey.Key) error { return refusal }); err != refusal { //nolint:errorlint // returned as it is
		t.Errorf("edited: %v", err)
	}
	if _, err := Rotated(&stored, func(_, _ *apikey.Key) error { return refusal }); err != refusal { //nolint:errorlint // returned as it is
		t.Errorf("rotated: %v", err)
	}
	wrong := func(k *apikey.Key) error { k.AllowedIPs = []string{"localhost"}; return nil }
	if _, _, err := Edited(&stored, wrong); err == nil {
		t.Error("edited: an address that cannot be decided on")
	}
	if _, err := Rotated(&stored, func(old, successor *apikey.Key) error { return errors.Join(rotate(old, successor), wrong(old)) }); err == nil {
		t.Error("rotated: an old key that cannot be decided on")
	}
	if _, err := Rotated(&stored, func(old, successor *apikey.Key) error { return errors.Join(rotate(old, successor), wrong(successor)) }); err == nil {
		t.Error("rotated: a successor that cannot be decided on")
	}
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := PageSize(limit); got != want {
			t.Errorf("page of %d: %d; want %d", limit, got, want)
		}
	}
}

// TestLimitsRecord: limits come back as they were, and what cannot be read holds
// a workspace to as little as can be.
func TestLimitsRecord(t *testing.T) {
	for _, lim := range []apikey.WorkspaceLimits{{}, {PerMinute: 1}, {PerDay: 1}, {PerMinute: math.MaxUint32, PerDay: math.MaxUint32}} {
		if got, err := DecodeLimits("a", EncodeLimits("a", lim)); err != nil || got != lim {
			t.Errorf("decoded %+v, %v; want %+v", got, err, lim)
		}
		if got, err := DecodeLimits("b", EncodeLimits("a", lim)); !errors.Is(err, ErrDamaged) || got != (apikey.WorkspaceLimits{PerMinute: 1, PerDay: 1}) {
			t.Errorf("of another workspace: %+v, %v", got, err)
		}
	}
	beyond := seal(bucketTogether, []byte("a"), appendVarint(newSealed(12), fieldTogetherPerDay, math.MaxUint32+1))
	if got, err := DecodeLimits("a", beyond); err == nil || got != damagedLimits {
		t.Errorf("beyond 32 bits: %+v, %v", got, err)
	}
	for _, tt := range []struct{ x, y, want uint32 }{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {4, 5, 4}, {5, 4, 4}} {
		if got := lower(tt.x, tt.y); got != tt.want {
			t.Errorf("the lower of %d and %d is %d; want %d", tt.x, tt.y, got, tt.want)
		}
	}
	some := &apikey.WorkspaceLimits{PerDay: 5}
	if stricter(nil, some) != nil || stricter(some, nil) != some || *stricter(some, &apikey.WorkspaceLimits{PerMinute: 3, PerDay: 6}) != (apikey.WorkspaceLimits{PerMinute: 3, PerDay: 5}) {
		t.Error("what is unknown is not held to the stricter limits")
	}
}

// TestDecodeOthers: what only a newer Keygate writes, and what is under no name
// of a bucket, is told as that.
func TestDecodeOthers(t *testing.T) {
	id := numberedID(1)
	name := append([]byte{bucketOfKey}, id[:]...)
	use := usageKey(1, id)
	text := func(b []byte) []byte {
		return protowire.AppendString(protowire.AppendTag(b, fieldCharged, protowire.BytesType), "x")
	}
	for what, decode := range map[string]func(fields func([]byte) []byte) error{
		"bucket": func(fields func([]byte) []byte) error {
			_, err := decodeBucket(name, seal(bucketMinutes, name, fields(newSealed(8))))
			return err
		},
		"use": func(fields func([]byte) []byte) error {
			_, err := decodeUsage(use, seal(bucketUsage, use, fields(newSealed(8))))
			return err
		},
	} {
		if err := decode(func(b []byte) []byte { return appendVarint(b, 99, 1) }); !errors.Is(err, ErrNewer) {
			t.Errorf("%s with an unknown field: %v; want ErrNewer", what, err)
		}
		if err := decode(text); !errors.Is(err, ErrNewer) {
			t.Errorf("%s with a field of another type: %v; want ErrNewer", what, err)
		}
	}
	for _, wrong := range []string{"", "k", "w", "x", "kshort", "xacme", string(name) + "1"} {
		b := apikey.Bucket{Tokens: 1, PerMinute: 6, Burst: 6, At: time.Unix(5, 0)}
		if got, err := decodeBucket([]byte(wrong), encodeBucket([]byte(wrong), &b)); !errors.Is(err, ErrDamaged) {
			t.Errorf("a bucket under %q is %+v, %v; want ErrDamaged", wrong, got, err)
		}
	}
}
