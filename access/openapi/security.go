package openapi

import (
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// security is what an operation, or the document, says that requests need: one
// of the requirements. Without any, that is nothing.
type security struct {
	requirements []requirement
}

// requirement has the scopes that are needed of each scheme, by its name.
// Without any, nothing is needed.
type requirement map[string][]string

// security reads the value of a key security (OpenAPI 3.1.1 §4.8.30). Without one
// it returns what is inherited.
func (r *reader) security(f *field, above *security) (*security, error) {
	if f == nil {
		return above, nil
	}
	items, err := r.list(f.value, "security")
	if err != nil {
		return nil, err
	}
	s := &security{make([]requirement, len(items))}
	for i, p := range items {
		if s.requirements[i], err = r.requirement(p); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (r *reader) requirement(p place) (requirement, error) {
	m, err := r.mapping(p, "security requirement")
	if err != nil {
		return nil, err
	}
	fields, err := r.each(m)
	if err != nil {
		return nil, err
	}
	need := make(requirement, len(fields))
	for i := range fields {
		f := &fields[i]
		s := r.schemes[f.name()]
		if s == nil {
			return nil, fail(f.where(), "security scheme %s is not declared; accepted: %s", apikey.Quote(f.name()), r.declaredNames())
		}
		s.used = true
		items, err := r.list(f.value, "what is needed of "+apikey.Quote(f.name()))
		if err != nil {
			return nil, err
		}
		scopes := make([]string, len(items))
		for i, item := range items {
			var ok bool
			if scopes[i], ok = item.text(); !ok {
				return nil, fail(item.where(), "a scope of %s is no text", apikey.Quote(f.name()))
			}
		}
		need[f.name()] = scopes
	}
	return need, nil
}

// need is what a route needs, or why there can be none.
type need struct {
	access  access.Access
	scopes  access.Scopes
	problem *Problem
}

// needs returns what a route needs for this, by a policy. Operations that inherit
// their security share what it comes to.
func (s *security) needs(p *policy) (access.Access, access.Scopes, *Problem) {
	n := p.known[s]
	if n == nil {
		if p.known == nil {
			p.known = make(map[*security]*need)
		}
		n = new(need)
		n.access, n.scopes, n.problem = s.newNeeds(p)
		p.known[s] = n
	}
	return n.access, n.scopes, n.problem
}

// newNeeds does the work of needs.
// Requirements without the scheme are for clients that have something else. Of
// those with several schemes the others are the backend's to check.
func (s *security) newNeeds(p *policy) (access.Access, access.Scopes, *Problem) {
	if s == nil {
		if p.fallback.Access == access.Denied {
			return "", nil, &Problem{NoSecurity, "neither the operation nor the document says what requests need; add security, or security: [] if it is public, or default to the openapi block"}
		}
		return p.fallback.Access, p.fallback.Scopes, nil
	}
	scheme := p.scheme
	if len(s.requirements) == 0 || slices.ContainsFunc(s.requirements, func(r requirement) bool { return len(r) == 0 }) {
		return access.Public, nil, nil
	}
	problem := "no requirement names the scheme " + apikey.Quote(scheme)
	if scheme == "" {
		problem = "no requirement names a scheme that keys can be for; accepted: " + acceptedSchemes
	}
	var sets access.Scopes
	seen := make(map[string]bool)
	for _, r := range s.requirements {
		scopes, ok := r[scheme]
		if !ok {
			continue
		}
		if len(scopes) == 0 {
			return access.Authenticated, nil, nil
		}
		var set []string
		for _, scope := range scopes {
			set = append(set, p.scopes(scope)...)
		}
		if i := slices.IndexFunc(set, func(s string) bool { return apikey.CheckScope(s) != nil }); i >= 0 {
			problem = apikey.CheckScope(set[i]).Error() + "; or map it by scope_map in the openapi block"
			continue
		}
		set = slices.Compact(slices.Sorted(slices.Values(set)))
		if key := strings.Join(set, " "); !seen[key] {
			seen[key] = true
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		return "", nil, &Problem{Unmappable, problem}
	}
	return access.Scoped, sets, nil
}
