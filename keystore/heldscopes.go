package keystore

import (
	"bytes"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// HeldScope is a scope that keys hold.
type HeldScope struct {
	Scope string
	Count int         // how many keys hold it
	Keys  []apikey.ID // the first of these keys, sorted by ID
}

// HeldScopes returns the scopes that keys hold, sorted. Each lists up to most of
// its keys, the first by ID; most must be at least one. It visits every key,
// which takes about a hundred milliseconds for a million.
func (x *Index) HeldScopes(most int) []HeldScope {
	c := newScopeCount(most)
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for _, e := range s.entries.All() {
			c.add(e.id, x.terms.at(e.terms).scopes)
		}
		s.mu.RUnlock()
	}
	return c.list()
}

// scopeCount collects which scopes keys hold.
type scopeCount struct {
	most  int
	held  map[string]*HeldScope
	known map[*apikey.ScopeSet][]*HeldScope // for each set of scopes, its entries in held
}

func newScopeCount(most int) *scopeCount {
	return &scopeCount{most, make(map[string]*HeldScope), make(map[*apikey.ScopeSet][]*HeldScope)}
}

func (c *scopeCount) add(id apikey.ID, set *apikey.ScopeSet) {
	scopes, ok := c.known[set]
	if !ok {
		scopes = entriesOf(set, c.held)
		c.known[set] = scopes
	}
	for _, h := range scopes {
		h.add(id, c.most)
	}
}

func (c *scopeCount) list() []HeldScope {
	list := make([]HeldScope, 0, len(c.held))
	for _, h := range c.held {
		h.cut(c.most)
		list = append(list, *h)
	}
	slices.SortFunc(list, func(x, y HeldScope) int { return strings.Compare(x.Scope, y.Scope) })
	return list
}

// entriesOf returns the entries of held for the scopes of a set, and adds those
// that are missing.
func entriesOf(set *apikey.ScopeSet, held map[string]*HeldScope) []*HeldScope {
	entries := make([]*HeldScope, len(set.List))
	for i, scope := range set.List {
		if held[scope] == nil {
			held[scope] = &HeldScope{Scope: scope}
		}
		entries[i] = held[scope]
	}
	return entries
}

// add counts a key. Keys come in no order, so the first ones are known only at
// the end. Until then at most twice as many are kept. After the first cut, a key
// that sorts behind the first most ones is only counted.
func (h *HeldScope) add(id apikey.ID, most int) {
	h.Count++
	if len(h.Keys) >= 2*most {
		h.cut(most)
	}
	if h.Count > 2*most && bytes.Compare(id[:], h.Keys[most-1][:]) > 0 {
		return
	}
	h.Keys = append(h.Keys, id)
}

func (h *HeldScope) cut(most int) {
	slices.SortFunc(h.Keys, func(x, y apikey.ID) int { return bytes.Compare(x[:], y[:]) })
	h.Keys = h.Keys[:min(len(h.Keys), most)]
}

// HeldScopes implements [Store]. Damaged keys count as holding no scopes. For one
// workspace it reads no key of another.
func (b *Bolt) HeldScopes(workspace string, most int) ([]HeldScope, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	if workspace == "" {
		return b.index.HeldScopes(most), nil
	}
	c := newScopeCount(most)
	err := b.view(func(tx *bolt.Tx) error {
		for id := range idsIn(tx, workspace) {
			if g, ok := b.index.Lookup(id); ok && g.Workspace == workspace {
				c.add(id, g.Scopes)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.list(), nil
}
