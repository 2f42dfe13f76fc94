package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// ScopeMapping says which scopes keys hold for a scope of the document.
type ScopeMapping struct {
	// Source is a scope as the document has it. One * in it is any text of one
	// character or more.
	Source string

	// Scopes are needed in place of Source, all of them, so that a mapping never
	// opens more. A * in one is the text of that in Source.
	Scopes []string
}

// Default is what operations need that say nothing of security, in a document
// that says nothing either.
type Default struct {
	Access access.Access // Denied is as if there were none
	Scopes access.Scopes // if Access is Scoped
}

// MergedScope is a scope that keys hold for several scopes of the document:
// whoever has it for one of them may do what the others are for.
type MergedScope struct {
	Scope   string
	Sources []string // sorted
}

// Check refuses what cannot be a mapping. Options that come from elsewhere have
// passed it.
func (m ScopeMapping) Check() error {
	stars := strings.Count(m.Source, "*")
	switch {
	case m.Source == "":
		return fmt.Errorf("scope_map: the scope of the document is empty; accepted: one such as read.accounts, or with one * for any text")
	case stars > 1:
		return fmt.Errorf("scope_map: %s has %d stars; accepted: at most one", apikey.Quote(m.Source), stars)
	case len(m.Scopes) == 0 || len(m.Scopes) > apikey.MaxScopes:
		return fmt.Errorf("scope_map: %s has %d scopes to become; accepted: 1 to %d, such as accounts:read", apikey.Quote(m.Source), len(m.Scopes), apikey.MaxScopes)
	}
	for _, scope := range m.Scopes {
		if strings.Count(scope, "*") > stars {
			return fmt.Errorf("scope_map: %s has more stars than %s", apikey.Quote(scope), apikey.Quote(m.Source))
		}
		if err := apikey.CheckScope(strings.Replace(scope, "*", "a", 1)); err != nil {
			return fmt.Errorf("scope_map: %w", err)
		}
	}
	return nil
}

// captures returns what the star of Source stands for in a scope.
func (m ScopeMapping) captures(scope string) (text string, ok bool) {
	before, after, star := strings.Cut(m.Source, "*")
	if !star || scope == m.Source {
		return "*", scope == m.Source
	}
	text, ok = strings.CutPrefix(scope, before)
	if ok {
		text, ok = strings.CutSuffix(text, after)
	}
	return text, ok && text != ""
}

// Check refuses what cannot be a default.
func (d Default) Check() error {
	probe := access.Route{Methods: []string{"GET"}, Pattern: "/", Access: d.Access, Scopes: d.Scopes}
	if err := probe.Check(); err != nil {
		return fmt.Errorf("default: %s", err.Problem)
	}
	return nil
}

// policy is what turns the security of operations into what routes need.
type policy struct {
	scheme   string
	fallback Default
	said     bool           // whether somebody gave the fallback
	mappings []ScopeMapping // the most specific first
	order    []int          // where each was given
	used     []bool         // each of mappings
	seen     map[string][]string
	others   []string          // schemes that are known not to be the keys'
	places   map[string]string // of schemes

	proposals map[string]ScopeMapping // by scope; nil until one is asked for
	needs     map[*security]*needs
}

func newPolicy(scheme string, o Options) *policy {
	p := &policy{scheme: scheme, fallback: Default{Access: access.Denied}, used: make([]bool, len(o.ScopeMap)), seen: make(map[string][]string), others: o.OtherSchemes, needs: make(map[*security]*needs)}
	if o.Default != nil {
		p.fallback, p.said = *o.Default, true
	}
	for i := range o.ScopeMap {
		p.order = append(p.order, i)
	}
	// A scope as it is, then patterns with more text, then those given first.
	slices.SortStableFunc(p.order, func(i, j int) int {
		a, b := o.ScopeMap[i].Source, o.ScopeMap[j].Source
		return cmp.Or(cmp.Compare(strings.Count(a, "*"), strings.Count(b, "*")), cmp.Compare(len(b), len(a)))
	})
	for _, i := range p.order {
		p.mappings = append(p.mappings, o.ScopeMap[i])
	}
	return p
}

// learn sees the scopes of all operations before any is built, so that what is
// proposed for one is none of another.
func (p *policy) learn(operations []operation) {
	known := make(map[*security]bool)
	for i := range operations {
		s := operations[i].security
		if s == nil || known[s] || s.isPublic() || s.isForAnyKey(p.scheme) {
			continue
		}
		known[s] = true
		for i := range s.requirements {
			for _, scope := range s.requirements[i].scopes[p.scheme] {
				p.scopes(scope)
			}
		}
	}
}

// scopes returns what keys hold for a scope that an operation needs.
func (p *policy) scopes(scope string) []string {
	if mapped, ok := p.seen[scope]; ok {
		return mapped
	}
	mapped, by := p.mapped(scope)
	if by >= 0 {
		p.used[by] = true
	}
	p.seen[scope] = mapped
	return mapped
}

// mapped returns what keys hold for a scope, and by which of mappings; -1 where it
// is taken as it is.
func (p *policy) mapped(scope string) (mapped []string, by int) {
	for i := range p.mappings {
		m := &p.mappings[i]
		if text, ok := m.captures(scope); ok {
			for _, target := range m.Scopes {
				mapped = append(mapped, strings.Replace(target, "*", text, 1))
			}
			return mapped, i
		}
	}
	return []string{scope}, -1
}

// declared fills in what keys hold for scopes that the document declares. Those
// that an operation needs and no key can hold are left out: they are told where
// they are needed.
func (p *policy) declared(all []DeclaredScope) []DeclaredScope {
	var told []DeclaredScope
	for _, d := range all {
		d.Keys, _ = p.mapped(d.Scope)
		if _, needed := p.seen[d.Scope]; !needed || areScopes(d.Keys) {
			told = append(told, d)
		}
	}
	return told
}

// unused returns the mappings that no scope needed, as they were given.
func (p *policy) unused() (unused []ScopeMapping) {
	places := make(map[int]ScopeMapping)
	for i, used := range p.used {
		if !used {
			places[p.order[i]] = p.mappings[i]
		}
	}
	for i := range p.order {
		if m, ok := places[i]; ok {
			unused = append(unused, m)
		}
	}
	return unused
}

// merged returns the scopes that several of the document became.
func (p *policy) merged() (merged []MergedScope) {
	sources := make(map[string][]string)
	for source, scopes := range p.seen {
		for _, scope := range slices.Compact(slices.Sorted(slices.Values(scopes))) {
			sources[scope] = append(sources[scope], source)
		}
	}
	for scope, from := range sources {
		if len(from) > 1 {
			slices.Sort(from)
			merged = append(merged, MergedScope{scope, from})
		}
	}
	slices.SortFunc(merged, func(a, b MergedScope) int { return cmp.Compare(a.Scope, b.Scope) })
	return merged
}
