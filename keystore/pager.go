package keystore

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Pager fills a page of a list from keys that a store reads one by one. It is for
// stores on other engines, so that they select and order keys by the same rules.
type Pager struct {
	selection *selection
	limit     int
	found     firsts[listedKey]
}

type listedKey struct {
	key  apikey.Key
	used time.Time
}

// NewPager prepares a query. The error is that of [Query.Check].
func NewPager(q Query) (*Pager, error) {
	s, err := newSelection(q)
	if err != nil {
		return nil, err
	}
	limit := pageSize(q.Limit)
	return &Pager{selection: s, limit: limit, found: firsts[listedKey]{most: limit + 1}}, nil
}

// Add takes a key, if the query selects it. In the order of IDs, keys must come in
// that order. Add reports whether the page may need more keys.
func (p *Pager) Add(k apikey.Key, used LastUse) (more bool) {
	f := p.selection.factsOf(&k)
	if at, ok := p.selection.choose(&f, used); ok {
		p.found.add(&at, listedKey{k, used.At})
	}
	return p.selection.q.Sort != SortID || len(p.found.list) <= p.limit
}

// Page returns the page.
func (p *Pager) Page() Page {
	var page Page
	for i, entry := range p.found.sorted() {
		if i == p.limit {
			last := &p.found.list[i-1].place
			page.Next, page.NextValue = last.id, p.selection.value(last)
			break
		}
		page.Keys, page.LastUsed = append(page.Keys, entry.value.key), append(page.LastUsed, entry.value.used)
	}
	return page
}
