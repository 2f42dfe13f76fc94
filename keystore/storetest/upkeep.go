package storetest

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// wantSound fails unless Check finds no problem in so many keys.
func wantSound(t *testing.T, s keystore.Store, keys int) {
	t.Helper()
	got, err := s.Check(func(name string, problem error) { t.Errorf("check: %s: %v", name, problem) })
	if err != nil || got != keys {
		t.Errorf("check: %d keys, %v; want %d", got, err, keys)
	}
}

func testCheck(t *testing.T, f Factory) {
	s := f.New(t)
	wantSound(t, s, 0)
	fill(t, s)
	page, err := s.List(keystore.Query{Limit: keystore.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	have := len(page.Keys)
	wantSound(t, s, have)
	var many []apikey.Key
	for n := range 1200 { // more than any page
		many = append(many, newKey(t, 1000+n))
	}
	if err := s.CreateAll(append(many, opaqueKey(t, 4000)), by, nil); err != nil {
		t.Fatal(err)
	}
	update(t, s, keyID(4000), "update", func(k *apikey.Key) { k.Name = "renamed" })
	if err := s.Delete(keyID(1000), by, nil); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s, have+1200)
}

// actor is who acts so many hours after now.
func actor(hours int) keystore.Actor {
	return keystore.Actor{At: now.Add(time.Duration(hours) * time.Hour), Via: "offline"}
}

func testPrune(t *testing.T, f Factory) {
	s := f.New(t)
	for n := 1; n <= 3; n++ {
		if err := s.Create(newKey(t, n), actor(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(keyID(3), actor(4), nil); err != nil {
		t.Fatal(err)
	}
	use := func(n int, day apikey.Day) apikey.Usage {
		return apikey.Usage{ID: keyID(n), Day: day, Allowed: 1, LastUsed: now.Unix()}
	}
	saveUsage(t, s, use(1, -1), use(1, 20000), use(2, 20000), use(1, 20001), use(2, 20002))
	prune := func(day apikey.Day, hours int) {
		t.Helper()
		if err := s.Prune(day, actor(hours).At); err != nil {
			t.Fatal(err)
		}
	}

	prune(-1, 1) // not before, but at
	wantUsage(t, s, keyID(1), -10, 30000, use(1, -1), use(1, 20000), use(1, 20001))
	wantActions(t, s, apikey.ID{}, "delete", "create", "create", "create")
	prune(20001, 1)
	wantUsage(t, s, keyID(1), -10, 30000, use(1, 20001))
	wantUsage(t, s, keyID(2), -10, 30000, use(2, 20002))
	wantActions(t, s, apikey.ID{}, "delete", "create", "create", "create")
	prune(-1, 4)
	for range 2 {
		wantUsage(t, s, keyID(1), -10, 30000, use(1, 20001))
		wantActions(t, s, apikey.ID{}, "delete")
		wantActions(t, s, keyID(1))
		wantActions(t, s, keyID(3), "delete")
		wantLastUsed(t, s, keyID(1), now)
		wantKey(t, s, newKey(t, 1))
		wantSound(t, s, 2)
		s = f.Reopen(t, s)
	}

	last := auditOf(t, s, keyID(3))[0].Seq
	prune(30000, 5)
	wantUsage(t, s, keyID(2), -10, 30000)
	wantActions(t, s, apikey.ID{})
	wantActions(t, s, keyID(3))
	update(t, s, keyID(1), "revoke", revoke)
	if e := auditOf(t, s, keyID(1)); len(e) != 1 || e[0].Seq <= last {
		t.Errorf("after pruning all, the trail begins with %+v; want a sequence above %d", e, last)
	}
}

// testPruneMany prunes more than fits into one transaction of any sense.
func testPruneMany(t *testing.T, f Factory) {
	s := f.New(t)
	const n = 1200
	var keys []apikey.Key
	var old, kept []apikey.Usage
	for i := range n {
		keys = append(keys, newKey(t, i))
		old = append(old, apikey.Usage{ID: keyID(i), Day: 19999, Allowed: 1})
	}
	kept = append(kept, apikey.Usage{ID: keyID(1), Day: 20000, Allowed: 1})
	if err := s.CreateAll(keys, by, nil); err != nil {
		t.Fatal(err)
	}
	saveUsage(t, s, append(old, kept...)...)
	if err := s.Create(newKey(t, n), actor(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(20000, actor(1).At); err != nil {
		t.Fatal(err)
	}
	wantUsageSince(t, s, 19999, kept...)
	wantActions(t, s, apikey.ID{}, "create")
	wantActions(t, s, keyID(1))
	wantSound(t, s, n+1)
}
