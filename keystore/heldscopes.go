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

// HeldScopes returns the scopes that keys hold and that want chooses, sorted,
// each with at most so many IDs. It visits every key, but asks want only once
// for each set of scopes: tens of milliseconds for a million keys.
func (x *Index) HeldScopes(want func(scope string) bool, most int) []HeldScope {
	held := make(map[string]*HeldScope)
	chosen := make(map[*apikey.ScopeSet][]*HeldScope) // the entries of held for a set
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for j := range s.entries {
			e := &s.entries[j]
			if e.terms == 0 {
				continue
			}
			set := x.terms.at(e.terms).scopes
			scopes, ok := chosen[set]
			if !ok {
				scopes = choose(set.List, want, held)
				chosen[set] = scopes
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

// choose returns the entries of held for those scopes that want chooses, and
// makes what is missing.
func choose(scopes []string, want func(scope string) bool, held map[string]*HeldScope) (chosen []*HeldScope) {
	for _, scope := range scopes {
		if !want(scope) {
			continue
		}
		if held[scope] == nil {
			held[scope] = &HeldScope{Scope: scope}
		}
		chosen = append(chosen, held[scope])
	}
	return chosen
}

// add counts a key. Keys come in no order, so that the first are only known in
// the end; until then at most twice as many are kept.
func (h *HeldScope) add(id apikey.ID, most int) {
	h.Count++
	if len(h.Keys) >= 2*most {
		h.cut(most)
	}
	h.Keys = append(h.Keys, id)
}

func (h *HeldScope) cut(most int) {
	slices.SortFunc(h.Keys, func(x, y apikey.ID) int { return bytes.Compare(x[:], y[:]) })
	h.Keys = h.Keys[:min(len(h.Keys), most)]
}

// HeldScopes implements [Store]. Damaged keys hold none.
func (b *Bolt) HeldScopes(want func(scope string) bool, most int) ([]HeldScope, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	return b.index.HeldScopes(want, most), nil
}
