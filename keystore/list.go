package keystore

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// List implements [Store]. Records that do not verify are left out. In the order
// of IDs it reads until the page is full. In another order it reads every key, or
// every one of the workspace.
func (b *Bolt) List(q Query) (Page, error) {
	s, err := newSelection(q)
	if err != nil {
		return Page{}, err
	}
	l := &lister{selection: s, index: b.index, limit: pageSize(q.Limit)}
	err = b.view(func(tx *bolt.Tx) error {
		l.use = latestUse{unfolded: b.unwritten(tx), journal: readJournal(tx, string(kindKeys), everything), saved: follow(tx, bucketLastUsed)}
		if err := l.read(b, tx); err != nil {
			return err
		}
		if b.passed.Add(l.passed) >= manyRecords {
			b.passed.Store(0)
			dropPages(tx)
		}
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	return l.page, nil
}

// manyRecords is how many records lists pass before the pages that they are on,
// some megabytes at least, are given back.
const manyRecords = 10_000

// lister fills one page.
type lister struct {
	*selection
	index *Index
	limit int

	keys   follower
	use    latestUse
	passed uint32 // records
	page   Page
}

func (l *lister) read(b *Bolt, tx *bolt.Tx) error {
	l.keys = follow(tx, bucketKeys)
	if l.q.Sort != SortID {
		return l.sorted(b, tx)
	}
	l.inOrder(tx)
	return nil
}

// inOrder fills a page in the order of IDs.
func (l *lister) inOrder(tx *bolt.Tx) {
	q := &l.q
	for id, record := range l.recordsAfter(tx, q.After) {
		if q.narrow() {
			if _, ok := l.place(id, record); !ok {
				continue
			}
		}
		k, err := decodeKey(id, record)
		switch {
		case err != nil, q.Status != "" && k.Status(q.Now) != q.Status, q.Workspace != "" && k.Workspace != q.Workspace:
			continue // the index may be older or newer than the transaction
		case len(l.page.Keys) == l.limit:
			l.page.Next = l.page.Keys[l.limit-1].ID
			return
		}
		l.add(k, l.lastUse(id))
	}
}

// sorted fills a page in another order.
func (l *lister) sorted(b *Bolt, tx *bolt.Tx) error {
	found := firsts[struct{}]{most: l.limit + 1}
	for id, record := range l.recordsAfter(tx, apikey.ID{}) {
		if p, ok := l.place(id, record); ok {
			found.add(&p, struct{}{})
		}
	}
	places := found.sorted()
	if len(places) > l.limit {
		last := &places[l.limit-1].place
		l.page.Next, l.page.NextValue = last.id, l.value(last)
		places = places[:l.limit]
	}
	ids := make([]apikey.ID, len(places))
	for i := range places {
		ids[i] = places[i].place.id
	}
	use, err := b.useOf(tx, string(kindKeys), ids...)
	if err != nil {
		return err
	}
	for i := range places {
		if k, err := getKey(tx, places[i].place.id); err == nil {
			at, err := use.lastUsed(k.ID)
			l.add(k, LastUse{At: at, Damaged: err != nil})
		}
	}
	return nil
}

func (l *lister) add(k apikey.Key, used LastUse) { l.page.add(k, used) }

// hasStatus asks the index, which knows the status without reading a record: of a
// million keys, few may have it. A sorted list does not ask. It reads the facts of each
// record in any case, and they include the status.
func (l *lister) hasStatus(id apikey.ID) bool {
	if l.q.Status == "" || l.q.Sort != SortID {
		return true
	}
	g, ok := l.index.Lookup(id)
	return ok && g.Status(l.q.Now) == l.q.Status
}

// place returns the place of a key, and whether it belongs behind where the page
// begins.
func (l *lister) place(id apikey.ID, record []byte) (place, bool) {
	var used LastUse
	if l.q.asksUse() {
		if used = l.lastUse(id); l.q.NeverUsed && used != (LastUse{}) {
			return place{}, false
		}
	}
	f, err := l.factsIn(id, record)
	if err != nil {
		return place{}, false
	}
	return l.choose(&f, used)
}

// lastUse returns when a key was last used. Keys are asked for in the order of their
// IDs. One damaged record must not hide all keys; Check reports it.
func (l *lister) lastUse(id apikey.ID) LastUse {
	value := l.use.find(id)
	if value == nil {
		return LastUse{}
	}
	at, err := decodeLastUsed(id, value)
	return LastUse{At: at, Damaged: err != nil}
}

// follower finds the records of keys that are asked for in the order of their IDs.
// The next one is mostly near the one before, where going on takes less than
// searching.
type follower struct {
	cursor      *bolt.Cursor
	name, value []byte
	begun       bool
}

func follow(tx *bolt.Tx, bucket []byte) follower { return follower{cursor: tx.Bucket(bucket).Cursor()} }

// near is how many records are passed before searching.
const near = 3

// find returns the record of a key, or nil. The same key may be asked for twice.
func (f *follower) find(id apikey.ID) []byte {
	for n := 0; f.begun && n < near && f.name != nil && bytes.Compare(f.name, id[:]) < 0; n++ {
		f.name, f.value = f.cursor.Next()
	}
	if !f.begun || f.name != nil && bytes.Compare(f.name, id[:]) < 0 {
		f.name, f.value = f.cursor.Seek(id[:])
		f.begun = true
	}
	if !bytes.Equal(f.name, id[:]) {
		return nil
	}
	return f.value
}

// recordsAfter yields the keys behind one, in order, with their records: those of
// the workspace if the query names one, and only those that may have its status.
func (l *lister) recordsAfter(tx *bolt.Tx, after apikey.ID) func(yield func(apikey.ID, []byte) bool) {
	bucket, prefix := bucketKeys, []byte(nil)
	if l.q.Workspace != "" {
		bucket, prefix = bucketWorkspaces, append([]byte(l.q.Workspace), 0)
	}
	start := prefix
	if !after.IsZero() {
		start = append(bytes.Clone(prefix), after[:]...)
	}
	return func(yield func(apikey.ID, []byte) bool) {
		cursor := tx.Bucket(bucket).Cursor()
		for name, record := cursor.Seek(start); bytes.HasPrefix(name, prefix) && name != nil; name, record = cursor.Next() {
			l.passed++
			if len(name) != len(prefix)+apikey.IDLen {
				continue
			}
			id := apikey.ID(name[len(prefix):])
			if id == after || !l.hasStatus(id) {
				continue
			}
			if l.q.Workspace != "" {
				record = l.keys.find(id)
			}
			if !yield(id, record) {
				return
			}
		}
	}
}

// pageSize returns how many entries a page has at most.
func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}
