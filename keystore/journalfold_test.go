package keystore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// unfoldedStore returns a store of n keys that folds only when it is told to.
func unfoldedStore(t *testing.T, n int) *Bolt {
	t.Helper()
	b := openTest(t, filepath.Join(t.TempDir(), "keygate.db"))
	b.db.NoSync = true
	b.now, b.foldedAt = func() time.Time { return testActor.At }, testActor.At
	var keys []apikey.Key
	for i := range n {
		k := testKey(t)
		k.ID, k.Scopes = numberedID(i), []string{"posts:read", "posts:write"}
		keys = append(keys, k)
	}
	if err := b.CreateAll(keys, testActor, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// useAll is use of n keys, each of them twice.
func useAll(n int, day apikey.Day, charged uint64) (used []apikey.Usage) {
	set := apikey.NewScopeSet([]string{"posts:read", "posts:write"})
	for i := range n {
		id := numberedID(n - 1 - i)
		used = append(used,
			apikey.Usage{ID: id, Day: day, Charged: charged, LastUsed: day.Start().Unix() + 60, Seen: &apikey.Sighting{Scopes: set, Needed: 1}},
			apikey.Usage{ID: id, Day: day, Seen: &apikey.Sighting{Scopes: set, Needed: 2}})
	}
	return used
}

// TestJournalOfManyKeys saves use that takes many parts. Each key is found in it, in
// any order, and by the fold, with all that was saved.
func TestJournalOfManyKeys(t *testing.T) {
	const keys = 3000
	b := unfoldedStore(t, keys)
	for n := range 4 {
		if err := b.SaveUsage(useAll(keys-500*n, 20000+apikey.Day(n/3), uint64(n+1)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketJournal).ForEach(func(name, value []byte) error {
			if len(value) > partLength+1024 {
				t.Errorf("record %s has %d bytes", partName(name), len(value))
			}
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		t.Helper()
		for _, i := range []int{0, 1, 499, 500, 1499, 1500, 1501, 2000, keys - 1} {
			id := numberedID(i)
			today, later := uint64(3), uint64(0)
			switch {
			case i < keys-1500:
				later = 4
			case i >= keys-500:
				today = 1
			case i >= keys-1000:
				today = 2
			}
			got, err := b.Usage(id, 0, 30000)
			if err != nil || len(got) < 1 || got[0].Charged != today || (len(got) == 2) != (later > 0) || later > 0 && got[1].Charged != later {
				t.Errorf("%s: use of %s: %+v, %v; want %d and %d", when, id, got, err, today, later)
			}
			seen := seenOf(t, b, id)
			for _, use := range seen.Scopes {
				if use.Last < use.Since && use.Last != 0 {
					t.Errorf("%s: %s was seen: %+v", when, id, seen)
				}
			}
		}
		listed := 0
		for q := (Query{Limit: MaxPage}); ; {
			page, err := b.List(q)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range page.LastUsed {
				if !at.IsZero() {
					listed++
				}
			}
			if q.After = page.Next; q.After.IsZero() {
				break
			}
		}
		if listed != keys {
			t.Errorf("%s: %d keys are listed as used; want %d", when, listed, keys)
		}
	}
	look("before the fold")
	before, steps := contentOf(t, b), 0
	for more := true; more; steps++ {
		var err error
		if more, _, err = b.foldStep(); err != nil {
			t.Fatal(err)
		}
		if steps == 1 {
			look("amid the fold")
		}
	}
	// Of 3,000 names on the first day and 1,500 on the second, for each of two kinds.
	if want := (2*(keys+1500) + foldSlice - 1) / foldSlice; steps != want {
		t.Errorf("it folds in %d steps; want %d", steps, want)
	}
	if n := journaled(t, b); n != 0 {
		t.Errorf("%d records are left of the journal", n)
	}
	look("after the fold")
	if got := contentOf(t, b); !reflect.DeepEqual(got, before) {
		t.Errorf("the fold changes what is stored: %.500s", differences(before, got))
	}
}

// TestFoldedWhen tells when a store folds by itself: a minute after it did last, or
// when there is much, or when the clock was set back, and when it is closed.
func TestFoldedWhen(t *testing.T) {
	save := func(t *testing.T, b *Bolt) {
		t.Helper()
		if err := b.SaveUsage(useAll(2, 20000, 1), nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		after  time.Duration
		saves  int
		folded bool
	}{
		"at once":             {0, 1, false},
		"before the minute":   {time.Minute - 1, 1, false},
		"a minute later":      {time.Minute, 1, true},
		"a clock set back":    {-time.Second, 1, true},
		"some saves":          {0, foldSaves - 2, false},
		"more saves than fit": {0, foldSaves + 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := unfoldedStore(t, 2)
			at := testActor.At.Add(tt.after)
			b.now = func() time.Time { return at }
			least := -1
			for range tt.saves {
				save(t, b)
				if n := journaled(t, b); least < 0 || n < least {
					least = n
				}
			}
			if folded := least == 0; folded != tt.folded {
				t.Errorf("folded: %t", folded)
			}
		})
	}
	t.Run("closed", func(t *testing.T) {
		b := unfoldedStore(t, 2)
		save(t, b)
		if journaled(t, b) == 0 {
			t.Fatal("there is no journal")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		read, err := ReadBolt(b.about.Place)
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		if n := journaled(t, read); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// TestChangesAmidAFold changes and deletes keys while a fold is under way, before and
// behind where it is.
func TestChangesAmidAFold(t *testing.T) {
	for i := range 6 {
		b := unfoldedStore(t, 6)
		if err := b.SaveUsage(useAll(6, 20000, 7), nil); err != nil {
			t.Fatal(err)
		}
		b.foldSlice = 3
		if more, _, err := b.foldStep(); err != nil || !more {
			t.Fatal(more, err)
		}
		if err := b.appendUse(useAll(6, 20000, 9), nil); err != nil { // which this fold does not take
			t.Fatal(err)
		}
		id := numberedID(i)
		k, err := b.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(id, testActor, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Create(k, testActor); err != nil {
			t.Fatal(err)
		}
		foldNow(t, b)
		if used, err := b.Usage(id, 0, 30000); err != nil || len(used) > 0 {
			t.Errorf("key %d has use from before it was made: %+v, %v", i, used, err)
		}
		if at, err := b.LastUsed(id); err != nil || !at.IsZero() {
			t.Errorf("key %d was used before it was made: %s, %v", i, at, err)
		}
		if used, err := b.Usage(numberedID((i+1)%6), 0, 30000); err != nil || len(used) != 1 || used[0].Charged != 9 {
			t.Errorf("another key: %+v, %v", used, err)
		}
	}
}

// TestJournalDamaged spoils one of three records of the journal. It costs what was
// used in its second alone, is found by Check, and is dropped and told at the next
// start, after which nothing is left to find.
func TestJournalDamaged(t *testing.T) {
	for name, spoilt := range map[string]func(value []byte) []byte{
		"a bit":   func(v []byte) []byte { v[len(v)-1] ^= 1; return v },
		"cut":     func(v []byte) []byte { return v[:3] },
		"rubbish": func([]byte) []byte { return []byte("rubbish and more") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := unfoldedStore(t, 4)
			for n := range 3 { // key n, and key 3 always
				used := []apikey.Usage{{ID: numberedID(n), Day: 20000, Charged: 5}, {ID: numberedID(3), Day: 20000, Charged: uint64(n + 1)}}
				if err := b.SaveUsage(used, nil); err != nil {
					t.Fatal(err)
				}
			}
			part := partOf(t, b, 2)
			spoil(t, b, bucketJournal, part, spoilt(bytes.Clone(valueOf(t, b, bucketJournal, part))))
			want := []int{5, 0, 5, 3}
			look := func(b *Bolt) {
				t.Helper()
				for i, charged := range want {
					used, err := b.Usage(numberedID(i), 0, 30000)
					if err != nil || len(used) != min(charged, 1) || charged > 0 && used[0].Charged != uint64(charged) {
						t.Errorf("use of key %d: %+v, %v; want %d", i, used, err, charged)
					}
				}
			}
			look(b)
			var names []string
			if _, err := b.Check(func(name string, problem error) {
				if names = append(names, name); !errors.Is(problem, ErrDamaged) {
					t.Error(problem)
				}
			}); err != nil || len(names) != 1 || !strings.Contains(names[0], "record 2 from key "+numberedID(1).String()+" on") {
				t.Errorf("check: %q, %v", names, err)
			}
			path := filepath.Join(t.TempDir(), "killed.db")
			if err := os.WriteFile(path, contents(t, b.db.Path()), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyFile(path); !errors.Is(err, ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
			if _, err := CompactFile(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "record 2 ") {
				t.Errorf("compact: %v", err)
			}
			if _, err := CompactFile(path); err != nil {
				t.Errorf("compact again: %v", err)
			}
			if err := os.WriteFile(path, contents(t, b.db.Path()), 0o600); err != nil {
				t.Fatal(err)
			}
			next := openTest(t, path)
			if told := next.Dropped(); len(told) != 1 || !errors.Is(told[0], ErrDamaged) || !strings.Contains(told[0].Error(), "record 2 ") || len(next.Damaged()) > 0 {
				t.Errorf("told %v, damaged %v", told, next.Damaged())
			}
			look(next)
			if _, err := next.Check(func(name string, err error) { t.Errorf("%s: %v", name, err) }); err != nil {
				t.Error(err)
			}
			if n := journaled(t, next); n != 0 {
				t.Errorf("%d records are left", n)
			}

			b.foldEvery = 0 // a gateway that comes upon it tells of it once
			last := []apikey.Usage{{ID: numberedID(0), Day: 20000, Charged: 6}}
			if err := b.SaveUsage(last, nil); !errors.Is(err, ErrDamaged) {
				t.Errorf("the save that folds: %v", err)
			}
			if err := b.SaveUsage(last, nil); err != nil {
				t.Errorf("the next one: %v", err)
			}
			want[0] = 6
			look(b)
		})
	}
}

// partOf returns the name of the first part of a run.
func partOf(t *testing.T, b *Bolt, number uint64) (part []byte) {
	t.Helper()
	if err := b.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketJournal).ForEach(func(name, _ []byte) error {
			if n, _, _, _ := runOf(name); n == number && part == nil {
				part = bytes.Clone(name)
			}
			return nil
		})
	}); err != nil || part == nil {
		t.Fatal("no such run", err)
	}
	return part
}

func valueOf(t *testing.T, b *Bolt, bucket, name []byte) (value []byte) {
	t.Helper()
	if err := b.view(func(tx *bolt.Tx) error { value = bytes.Clone(tx.Bucket(bucket).Get(name)); return nil }); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestWatchAnewForgetsTheJournal has a restored store forget what was seen and is not
// folded, and nothing else.
func TestWatchAnewForgetsTheJournal(t *testing.T) {
	b := unfoldedStore(t, 2)
	day := apikey.DayOf(time.Now())
	if err := b.SaveUsage(useAll(2, day, 3), nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	if err := os.WriteFile(path, contents(t, b.db.Path()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WatchAnew(path); err != nil {
		t.Fatal(err)
	}
	restored := openTest(t, path)
	if seen := seenOf(t, restored, numberedID(0)); seen.Scopes[0].Last != 0 || seen.Scopes[1].Last != 0 || seenOf(t, b, numberedID(0)).Scopes[0].Last != day {
		t.Errorf("it was seen: %+v", seen)
	}
	if used, err := restored.Usage(numberedID(0), day, day); err != nil || len(used) != 1 || used[0].Charged != 3 {
		t.Errorf("used: %+v, %v", used, err)
	}
}
