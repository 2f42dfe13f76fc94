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
	Count int         // of the keys that hold it
	Keys  []apikey.ID // the first of them, in order
}

// HeldScopes returns the scopes that keys hold, sorted, each with at most so
// many IDs, one or more. It visits every key: a hundred milliseconds or so for a
// million.
func (x *Index) HeldScopes(most int) []HeldScope {
	held := make(map[string]*HeldScope)
	known := make(map[*apikey.ScopeSet][]*HeldScope) // the entries of held for a set
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

// entriesOf returns the entries of held for a set, and makes what is missing.
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

// add counts a key. Keys come in no order, so that the first are only known in
// the end. Until then at most twice as many are kept, and after the first cut
// none that comes after as many others.
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

// HeldScopes implements [Store]. Damaged keys hold none.
func (b *Bolt) HeldScopes(most int) ([]HeldScope, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	return b.index.HeldScopes(most), nil
}
