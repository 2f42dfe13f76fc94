package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// listed is a store with the model of what it has.
type listed struct {
	*testing.T
	listModel
	store keystore.Store
	r     *rand.Rand
	next  int // number of a key that is not there yet
}

// newListed makes a store of so many keys, of which some have been used.
func newListed(t *testing.T, f Factory, keys int) *listed {
	t.Helper()
	l := &listed{T: t, listModel: listModel{make(map[apikey.ID]*modelKey)}, store: f.New(t), r: rand.New(rand.NewPCG(22, uint64(keys)))}
	var all []apikey.Key
	for range keys {
		all = append(all, l.newKey())
	}
	if err := l.store.CreateAll(all, by, nil); err != nil {
		t.Fatal(err)
	}
	used := make(map[apikey.ID]time.Time)
	for _, id := range l.ids() {
		if l.r.IntN(3) > 0 {
			used[id] = ago(l.r)
		}
	}
	l.use(used)
	return l
}

// newKey returns a key for the store, and enters it into the model. Numbers do not
// come in the order in which keys do.
func (l *listed) newKey() apikey.Key {
	l.next++
	k := anyKey(l.T, l.r, l.next*7919%100_003)
	l.keys[k.ID] = &k
	return k.Clone()
}

// ids returns all IDs in their order.
func (l *listed) ids() []apikey.ID { return l.list(keystore.Query{}, now) }

// use uses keys, each at its time.
func (l *listed) use(keys map[apikey.ID]time.Time) {
	l.Helper()
	var usage []apikey.Usage
	for id, at := range keys {
		usage = append(usage, apikey.Usage{ID: id, Day: apikey.DayOf(at), Allowed: 1, LastUsed: at.Unix()})
		if k := l.keys[id]; at.After(k.used) {
			k.used = at
		}
	}
	saveUsage(l.T, l.store, usage...)
}

// page asks for a page and moves q to the next one. It reports whether there is
// one.
func (l *listed) page(q *keystore.Query) ([]apikey.ID, bool) {
	l.Helper()
	page, err := l.store.List(*q)
	if err != nil {
		l.Fatalf("list %s: %v", described(*q), err)
	}
	for i := range page.Keys {
		want := l.keys[page.Keys[i].ID]
		if want == nil || !equal(page.Keys[i], want.Key) || !page.LastUsed[i].Equal(want.used) {
			l.Errorf("list %s: %+v, used %s; want %+v", described(*q), page.Keys[i], page.LastUsed[i], want)
		}
	}
	if page.Next.IsZero() && page.NextValue != "" || q.Sort == keystore.SortID && page.NextValue != "" {
		l.Errorf("list %s: next value %q", described(*q), page.NextValue)
	}
	q.After, q.AfterValue = page.Next, page.NextValue
	return idsOf(page), !page.Next.IsZero()
}

// testListOrders walks through lists by any filters, in each order, in pages of
// any size.
func testListOrders(t *testing.T, f Factory) {
	l := newListed(t, f, 150)
	some := 0
	for range 60 {
		for _, sort := range append(keystore.Sorts(), keystore.SortID) {
			q := anyQuery(l.r, sort)
			want := l.list(q, now)
			q.Limit = one(l.r, 7, 40, len(want)-1, len(want), len(want)+1, keystore.MaxPage)
			if len(want) < 10 {
				q.Limit = one(l.r, 1, 2, 3)
			}
			size := keystore.PageSize(q.Limit)
			some += len(want)
			first := q
			for at, more := 0, true; more; at += size {
				var got []apikey.ID
				if got, more = l.page(&q); !slices.Equal(got, want[at:min(at+size, len(want))]) || more != (at+size < len(want)) {
					t.Fatalf("list %s from %d on: %v, more: %t; want the next of %v", described(first), at, got, more, want)
				}
			}
		}
	}
	if some < 1000 {
		t.Errorf("all queries together found %d keys", some)
	}
}

// testListMoving walks through lists while keys are made, changed, used and
// deleted, and time passes. Each page is what comes behind the one before, as
// things are then, and a key that stays where it is comes exactly once.
func testListMoving(t *testing.T, f Factory) {
	l := newListed(t, f, 60)
	stayed := 0
	for range 8 {
		for _, sort := range append(keystore.Sorts(), keystore.SortID) {
			q := anyQuery(l.r, sort)
			if l.r.IntN(2) == 0 {
				q = keystore.Query{Now: now, Sort: sort}
			}
			q.Limit = one(l.r, 1, 3, 7)
			stayed += l.walk(q)
		}
	}
	if stayed < 50 {
		t.Errorf("only %d keys stayed where they were", stayed)
	}
}

// walk returns how many keys stayed where they were all the time, though there
// were several pages.
func (l *listed) walk(q keystore.Query) (stayed int) {
	l.Helper()
	first, begun := q, q.Now
	seen := make(map[apikey.ID]int)
	still := make(map[apikey.ID]bool) // selected on every page, and never touched
	used := make(map[apikey.ID]bool)  // as still, but for use
	for _, id := range l.list(q, begun) {
		still[id], used[id] = true, true
	}
	var last *modelKey // as it was on its page
	for pages, more := 0, true; more; pages++ {
		if pages > 10*len(l.keys) {
			l.Fatalf("list %s does not end", described(first))
		}
		selected := l.list(q, begun)
		for id := range used {
			if !slices.Contains(selected, id) {
				delete(still, id)
				delete(used, id)
			}
		}
		want := selected
		for last != nil && len(want) > 0 && l.keys[want[0]].before(last, q.Sort, begun) <= 0 {
			want = want[1:]
		}
		var got []apikey.ID
		if got, more = l.page(&q); !slices.Equal(got, want[:min(q.Limit, len(want))]) || more != (len(want) > q.Limit) {
			l.Fatalf("list %s, page %d: %v, more: %t; want the first of %v", described(first), pages, got, more, want)
		}
		for _, id := range got {
			seen[id]++
		}
		if more {
			copied := *l.keys[got[len(got)-1]]
			last = &copied
		}
		q.Now = q.Now.Add(time.Duration(l.r.IntN(3)) * 20 * time.Second)
		l.change(q.Now, still, used)
	}
	for id := range used {
		if n := seen[id]; still[id] && n != 1 || n == 0 && q.Sort == keystore.SortLastUsed {
			l.Errorf("list %s: key %s comes %d times", described(first), id, n)
		}
	}
	if len(seen) > q.Limit {
		return len(still)
	}
	return 0
}

// change does something to one key, and uses some others.
func (l *listed) change(at time.Time, still, used map[apikey.ID]bool) {
	l.Helper()
	all := l.ids()
	id := one(l.r, all...)
	switch l.r.IntN(3) {
	case 0:
		create(l.T, l.store, l.newKey())
		if err := l.store.Delete(id, by, nil); err != nil {
			l.Fatal(err)
		}
		delete(l.keys, id)
	case 1:
		seed := l.r.Uint64() // edit may be called again, and must then do the same
		edit := func(k *apikey.Key) { alter(rand.New(rand.NewPCG(seed, 1)), k) }
		update(l.T, l.store, id, "update", edit)
		edit(&l.keys[id].Key)
	default:
		id = apikey.ID{}
	}
	delete(still, id)
	delete(used, id)
	uses := make(map[apikey.ID]time.Time)
	for range 8 {
		if id := one(l.r, all...); l.keys[id] != nil {
			uses[id] = at.Truncate(time.Minute)
			delete(still, id)
		}
	}
	l.use(uses)
}

// testListDamaged lists what is left where some keys cannot be read.
func testListDamaged(t *testing.T, f Factory) {
	l := newListed(t, f, 20)
	ids := l.ids()
	damaged := []apikey.ID{ids[0], ids[7], ids[19]}
	l.store = f.Tamper(t, l.store, Tampering{Damaged: damaged})
	for _, id := range damaged {
		delete(l.keys, id)
	}
	for _, sort := range append(keystore.Sorts(), keystore.SortID) {
		for _, limit := range []int{1, 7, 20} {
			for _, workspace := range []string{"", "acme"} {
				q := keystore.Query{Now: now, Sort: sort, Limit: limit, Workspace: workspace}
				var got []apikey.ID
				for more := true; more && len(got) <= len(l.keys); {
					var ids []apikey.ID
					ids, more = l.page(&q)
					got = append(got, ids...)
				}
				if want := l.list(q, now); !slices.Equal(got, want) {
					t.Errorf("list %s: %v; want %v", described(q), got, want)
				}
			}
		}
	}
}

// testListRefuses asks for pages that no store can have named.
func testListRefuses(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	for _, q := range []keystore.Query{
		{Sort: "id"},
		{Sort: "Name"},
		{Sort: "unheard-of"},
		{AfterValue: "1"},
		{After: keyID(1), AfterValue: "1"},
		{Sort: keystore.SortName, AfterValue: "zapier"},
		{Sort: keystore.SortName, After: keyID(1), AfterValue: "Zapier"},
		{Sort: keystore.SortCreated, After: keyID(1)},
		{Sort: keystore.SortCreated, After: keyID(1), AfterValue: "soon"},
		{Sort: keystore.SortCreated, After: keyID(1), AfterValue: "01"},
		{Sort: keystore.SortCreated, After: keyID(1), AfterValue: "1 1"},
		{Sort: keystore.SortExpires, After: keyID(1), AfterValue: "9223372036854775807"},
		{Sort: keystore.SortExpires, After: keyID(1), AfterValue: "-9223372036854775808"},
		{Sort: keystore.SortExpires, After: keyID(1), AfterValue: "9223372036854775808"},
		{Sort: keystore.SortExpires, After: keyID(1), AfterValue: "+1"},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: "1"},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: ""},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: "2 1"},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: " "},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: "1 x"},
	} {
		if page, err := s.List(q); err == nil || len(page.Keys) > 0 || q.Check() == nil {
			t.Errorf("list %s: %d keys, %v, checked: %v", described(q), len(page.Keys), err, q.Check())
		} else if keystore.IsFailure(err) {
			t.Errorf("list %s: %v is a failure of the store", described(q), err)
		}
	}
	for _, q := range []keystore.Query{
		{Sort: keystore.SortName, After: keyID(1), AfterValue: ""},
		{Sort: keystore.SortCreated, After: keyID(1), AfterValue: "-1"},
		{Sort: keystore.SortExpires, After: keyID(1), AfterValue: ""},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: " 1"},
		{Sort: keystore.SortLastUsed, After: keyID(1), AfterValue: "1 1"},
	} {
		if _, err := s.List(q); err != nil || q.Check() != nil {
			t.Errorf("list %s: %v, checked: %v", described(q), err, q.Check())
		}
	}
}
