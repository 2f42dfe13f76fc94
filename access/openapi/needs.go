package openapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// needs is what security comes to by a policy: what a route needs, or why there
// can be none, and what of it no route says.
type needs struct {
	access  access.Access
	scopes  access.Scopes
	problem *Problem
	byHand  bool // no change of the openapi block mends the problem
	remarks []Remark
}

// needsOf returns what a route needs. Requirements without the scheme are for
// clients that have something else. Of those with several schemes the others are
// the backend's to check.
func (p *policy) needsOf(s *security) *needs {
	if known := p.needs[s]; known != nil {
		return known
	}
	n := p.newNeeds(s)
	p.needs[s] = n
	return n
}

const noSecurity = "neither the operation nor the document says what requests need; add security, or security: [] if it is public, or "

const lostAlternative = "an alternative lets nobody in, as "

func (p *policy) newNeeds(s *security) *needs {
	switch {
	case s == nil && p.fallback.Access == access.Denied:
		text := noSecurity + "write in the openapi block: default authenticated"
		if p.said {
			text = noSecurity + "change the default in the openapi block, which is deny"
		}
		return &needs{problem: &Problem{NoSecurity, text}}
	case s == nil:
		return &needs{access: p.fallback.Access, scopes: p.fallback.Scopes}
	case s.isPublic():
		return &needs{access: access.Public}
	}
	n := &needs{access: access.Scoped}
	var dropped []Remark
	anyKey := s.isForAnyKey(p.scheme)
	for i := range s.requirements {
		r := &s.requirements[i]
		n.remarks = append(n.remarks, p.remarkOthers(r)...)
		if anyKey || !r.has(p.scheme) {
			continue
		}
		if set, wrong := p.set(r.scopes[p.scheme]); wrong == "" {
			n.add(set)
		} else {
			dropped = append(dropped, Remark{Dropped, r.where, lostAlternative + wrong})
		}
	}
	switch {
	case anyKey:
		n.access = access.Authenticated
	case len(n.scopes) == 0 && len(dropped) == 0:
		return &needs{problem: &Problem{Unmappable, p.withoutScheme()}, byHand: true}
	case len(n.scopes) == 0: // the problem tells of the first alternative
		n.problem = &Problem{Unmappable, strings.TrimPrefix(dropped[0].Text, lostAlternative)}
		dropped = dropped[1:]
	}
	n.remarks = append(n.remarks, dropped...)
	return n
}

// add adds a set of scopes, unless there is the same.
func (n *needs) add(set []string) {
	if !slices.ContainsFunc(n.scopes, func(s []string) bool { return slices.Equal(s, set) }) {
		n.scopes = append(n.scopes, set)
	}
}

func (s *security) isPublic() bool {
	return len(s.requirements) == 0 || slices.ContainsFunc(s.requirements, func(r requirement) bool { return len(r.names) == 0 })
}

// isForAnyKey reports whether an alternative asks the scheme for no scope.
func (s *security) isForAnyKey(scheme string) bool {
	return slices.ContainsFunc(s.requirements, func(r requirement) bool { return r.has(scheme) && len(r.scopes[scheme]) == 0 })
}

func (r *requirement) has(scheme string) bool {
	_, has := r.scopes[scheme]
	return has
}

func (p *policy) withoutScheme() string {
	if p.scheme == "" {
		return "no requirement names a scheme that keys can be for; accepted: " + acceptedSchemes
	}
	return "no requirement names the scheme " + apikey.Quote(p.scheme)
}

// set returns the scopes that a key needs for these of the document, or what is
// wrong with them.
func (p *policy) set(scopes []string) (set []string, wrong string) {
	var bad []string
	for _, scope := range scopes {
		mapped := p.scopes(scope)
		set = append(set, mapped...)
		if !areScopes(mapped) && !slices.Contains(bad, scope) {
			bad = append(bad, scope)
		}
	}
	if len(bad) > 0 {
		return nil, p.notScopes(bad)
	}
	return slices.Compact(slices.Sorted(slices.Values(set))), ""
}

func areScopes(scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return apikey.CheckScope(s) != nil })
}

// maxNamed is how many scopes a finding names. Each operation may have thousands.
const maxNamed = 16

// notScopes says of scopes in another form what to write.
func (p *policy) notScopes(bad []string) string {
	var named, lines []string
	byHand := false
	for i, scope := range bad {
		if i == maxNamed {
			named = append(named, fmt.Sprintf("and %d more", len(bad)-i))
			break
		}
		name := apikey.Quote(scope)
		if mapped := p.scopes(scope); mapped[0] != scope {
			name += ", which the scope_map makes " + apikey.Quote(strings.Join(mapped, " ")) + ","
		}
		named = append(named, name)
		if line := p.proposed(scope).Line(); line != "" {
			lines = append(lines, line)
		} else {
			byHand = true
		}
	}
	text := strings.Join(named, ", ") + " is no scope that keys can hold (resource:action, such as posts:write); "
	if len(named) > 1 {
		text = strings.Join(named, ", ") + " are no scopes that keys can hold (resource:action, such as posts:write); "
	}
	if byHand {
		return text + "give it another name in the document, as no scope_map line can be for it alone"
	}
	text += "write in the openapi block: " + strings.Join(lines, "; ")
	if len(bad) > maxNamed {
		text += "; and so on, as caddy keygate lint prints it of the document alone"
	}
	return text
}

// remarkOthers says of other schemes in a requirement that the gateway looks at
// none of them, at the place of each scheme: what is the same for many operations
// is one thing to decide.
func (p *policy) remarkOthers(r *requirement) (remarks []Remark) {
	for _, name := range r.names {
		if name == p.scheme || slices.Contains(p.others, name) {
			continue
		}
		advice := "give the scheme another name, which a Caddyfile can have"
		if word := Word(name); word != "" {
			advice = "if that is meant, write in the openapi block: other_schemes " + word
		}
		text := fmt.Sprintf("whoever has %s and no key gets no further than the gateway; %s", apikey.Quote(name), advice)
		if r.has(p.scheme) {
			text = fmt.Sprintf("the gateway asks for the key and not for %s, which is the backend's to check; %s", apikey.Quote(name), advice)
		}
		remarks = append(remarks, Remark{OtherScheme, p.places[name], text})
	}
	return remarks
}
