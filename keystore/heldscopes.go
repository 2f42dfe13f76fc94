package keystore

import (
	"bytes"
	"slices"
	"strings"

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
	held := make(map[string]*HeldScope)
	known := make(map[*apikey.ScopeSet][]*HeldScope) // for each set of scopes, its entries in held
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for _, e := range s.entries.All() {
			set := x.terms.at(e.terms).scopes
			scopes, ok := known[set]
			if !ok {
				scopes = entriesOf(set, held)
				known[set] = scopes
			}
			for _, h := range scopes {
				h.add(e.id, most)
			}
		}
		s.mu.RUnlock()
	}
	list := make([]HeldScope, 0, len(held))
	for _, h := range held {
		h.cut(most)
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

// HeldScopes implements [Store]. Damaged keys count as holding no scopes.
func (b *Bolt) HeldScopes(most int) ([]HeldScope, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	return b.index.HeldScopes(most), nil
}
