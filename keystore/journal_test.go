package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// TestJournalIsAsSavedAtOnce makes the same random changes in two stores: one folds
// with each save, the other some day, in steps of a few keys, with kills in between.
// Whatever is read of them is the same at any time.
func TestJournalIsAsSavedAtOnce(t *testing.T) {
	t.Parallel()
	long, _ := time.ParseDuration(os.Getenv("KEYGATE_LONG"))
	end := time.Now().Add(long)
	for seed := uint64(1); seed <= 6 || time.Now().Before(end); seed++ {
		r := rand.New(rand.NewPCG(seed, 24))
		atOnce, late := twinStores(t)
		for step := range 150 {
			change := useChange(t, r, step)
			for _, b := range []*Bolt{atOnce, late} {
				if err := change(b); err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrExists) {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
			}
			late.foldSlice = 1 + r.IntN(4)
			switch r.IntN(8) {
			case 0, 1:
				if _, damaged, err := late.foldStep(); err != nil || len(damaged) > 0 {
					t.Fatal(damaged, err)
				}
			case 2:
				late = killed(t, late)
			}
			if want, got := contentOf(t, atOnce), contentOf(t, late); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d: %s", seed, step, differences(want, got))
			}
			if want, got := answers(t, atOnce), answers(t, late); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d: answers\n%v\nwant\n%v", seed, step, got, want)
			}
		}
		atOnce.Close()
		late.Close()
	}
}

// twinStores returns two stores with the same content, of which one folds with each
// save, and one never.
func twinStores(t *testing.T) (atOnce, late *Bolt) {
	t.Helper()
	path := writeStore(t, 5)
	content := contents(t, path)
	other := filepath.Join(t.TempDir(), "keygate.db")
	if err := os.WriteFile(other, content, 0o600); err != nil {
		t.Fatal(err)
	}
	atOnce, late = openTest(t, path), openTest(t, other)
	atOnce.db.NoSync, late.db.NoSync = true, true // no test of the disk
	atOnce.foldEvery, late.foldEvery = 0, math.MaxInt64
	return atOnce, late
}

// killed returns the store as the next process finds it, which folds when it opens it,
// and as one that only reads sees it before, which changes nothing.
func killed(t *testing.T, b *Bolt) *Bolt {
	t.Helper()
	content := contents(t, b.db.Path())
	path := filepath.Join(t.TempDir(), "killed.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	want := answers(t, b)
	reader, err := ReadBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := answers(t, reader); !reflect.DeepEqual(got, want) {
		t.Errorf("who only reads is told\n%v\nwant\n%v", got, want)
	}
	if err := reader.Close(); err != nil || !bytes.Equal(contents(t, path), content) {
		t.Errorf("reading changed the file, %v", err)
	}
	if err := b.Close(); err != nil { // addresses of 32 bits do not suffice for all of them
		t.Error(err)
	}
	next := openTest(t, path)
	if n := journaled(t, next); n != 0 {
		t.Errorf("%d records of the journal are left after the start", n)
	}
	next.db.NoSync, next.foldEvery = true, math.MaxInt64
	return next
}

// journaled returns how many records the journal has.
func journaled(t *testing.T, b *Bolt) (n int) {
	t.Helper()
	if err := b.view(func(tx *bolt.Tx) error {
		for _, bucket := range [][]byte{bucketJournal, bucketSettled} {
			n += tx.Bucket(bucket).Stats().KeyN
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// useChange is a change that has to do with use, of few keys that come and go.
func useChange(t *testing.T, r *rand.Rand, step int) func(*Bolt) error {
	some := func() apikey.ID { return numberedID(r.IntN(8)) }
	id, other, day, kind, n := some(), some(), apikey.Day(20000+r.IntN(3)), r.IntN(14), uint64(r.IntN(1000))
	scopes := [][]string{{"posts:read"}, {"posts:write"}, {"posts:read", "posts:write"}}
	held := scopes[r.IntN(3)]
	by := testActor
	by.At = day.Start().Add(time.Duration(step) * time.Second)
	var used []apikey.Usage
	for range 1 + r.IntN(6) {
		u := apikey.Usage{ID: some(), Day: day - apikey.Day(r.IntN(2))}
		if r.IntN(3) > 0 {
			u.Charged, u.Allowed, u.Denied = uint64(r.IntN(500)), uint64(r.IntN(500)), n
			u.LastUsed = u.Day.Start().Unix() + 60*int64(r.IntN(100))
		}
		if r.IntN(3) == 0 {
			u.Seen = &apikey.Sighting{Scopes: apikey.NewScopeSet(held), Needed: uint64(r.IntN(4)), Network: apikey.Network(r.IntN(2))}
		}
		used = append(used, u)
	}
	together := []apikey.WorkspaceUsage{{Workspace: "acme", Day: day, Charged: n}, {Workspace: "other", Day: day, Charged: n}}[:r.IntN(3)]
	return func(b *Bolt) error {
		k := testKey(t)
		k.ID, k.Scopes = id, held
		switch kind {
		case 0:
			return b.Delete(id, by, nil)
		case 1:
			return b.Create(k, by)
		case 2:
			if k.Account = other; id == other {
				return nil
			}
			return b.CreateAll([]apikey.Key{k}, by, nil)
		case 3:
			_, err := b.Rotate(id, by, func(_, next *apikey.Key) error { next.ID, next.Hash[0] = other, 1; return nil })
			return err
		case 4, 5:
			_, err := b.Update(id, "update", by, func(k *apikey.Key) error { k.Scopes = held; return nil })
			return err
		case 6:
			_, err := b.Update(id, "disable", by, func(k *apikey.Key) error { k.Disabled = !k.Disabled; return nil })
			return err
		case 7:
			return b.Prune(day, testActor.At)
		default:
			return b.SaveUsage(slices.Clone(used), slices.Clone(together))
		}
	}
}

// answers are those to all questions about use, as text.
func answers(t *testing.T, b *Bolt) []string {
	t.Helper()
	var all []string
	tell := func(what string, answer any, err error) {
		all = append(all, fmt.Sprintf("%s: %+v %v", what, answer, err))
	}
	var ids []apikey.ID
	for n := range 8 {
		id := numberedID(n)
		ids = append(ids, id)
		usage, err := b.Usage(id, 19999, 20001)
		tell(fmt.Sprint("use of ", id), usage, err)
		at, err := b.LastUsed(id)
		tell(fmt.Sprint("last use of ", id), at, err)
	}
	slices.Reverse(ids)
	seen, err := b.Seen(ids)
	tell("seen", seen, err)
	for _, order := range append(Sorts(), SortID) {
		for _, q := range []Query{{}, {NeverUsed: true}, {Limit: 2}, {Workspace: "acme"}} {
			q.Sort, q.Now = order, testActor.At
			page, err := b.List(q)
			listed := []string{page.Next.String(), page.NextValue}
			for i := range page.Keys {
				listed = append(listed, page.Keys[i].ID.String(), page.LastUsed[i].String())
			}
			tell(fmt.Sprint("list ", order, q.Limit), listed, err)
		}
	}
	var since []string
	err = b.UsageSince(20001, func(u apikey.Usage) { since = append(since, fmt.Sprintf("%+v", u)) },
		func(u apikey.WorkspaceUsage) { since = append(since, fmt.Sprintf("%+v", u)) })
	slices.Sort(since)
	tell("since", since, err)
	return all
}

func differences(want, got map[string]map[string]string) (text string) {
	for bucket := range want {
		for name, value := range want[bucket] {
			if have := got[bucket][name]; have != value {
				text += fmt.Sprintf("\n%s %q is %x; want %x", bucket, name, have, value)
			}
		}
		for name, value := range got[bucket] {
			if _, ok := want[bucket][name]; !ok {
				text += fmt.Sprintf("\n%s %q is %x; want none", bucket, name, value)
			}
		}
	}
	return text
}
