package keystore

import "github.com/socialpatra/keygate/apikey"

// Pager fills a page of a list from keys that a store reads one by one. It is for
// stores on other engines, so that they select and order keys by the same rules.
type Pager struct {
	selection *selection
	limit     int
	found     firsts[listedKey]
}

type listedKey struct {
	key  apikey.Key
	used LastUse
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

// NeedsUse reports whether Add needs to know when keys were last used. Otherwise
// the page has to be completed: reading the use of every key would take as long as
// reading its record.
func (p *Pager) NeedsUse() bool {
	q := &p.selection.q
	return q.asksUse() || q.Sort == SortID && !q.narrow() // of which hardly more are read than are shown
}

// Add takes the record of a key, if the query selects it and it verifies. In the
// order of IDs, keys must come in that order. Add reports whether the page may
// need more keys.
func (p *Pager) Add(id apikey.ID, record []byte, used LastUse) (more bool) {
	if f, err := p.selection.factsIn(id, record); err == nil {
		if at, ok := p.selection.choose(&f, used); ok && !p.found.passes(&at) {
			if k, err := decodeKey(id, record); err == nil {
				p.found.add(&at, listedKey{k, used})
			}
		}
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
		page.add(entry.value.key, entry.value.used)
	}
	return page
}

func (p *Page) add(k apikey.Key, used LastUse) {
	p.Keys, p.LastUsed = append(p.Keys, k), append(p.LastUsed, used.At)
	if used.Damaged {
		p.Damaged = append(p.Damaged, k.ID)
	}
}
