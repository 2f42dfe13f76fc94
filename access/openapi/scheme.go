package openapi

import (
	"net/http"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

const acceptedSchemes = "http bearer, apiKey in a header, oauth2 or openIdConnect"

// scheme is a declared security scheme (OpenAPI 3.1.1 §4.8.27).
type scheme struct {
	name    string
	where   string
	used    bool   // some requirement names it
	refused string // why keys cannot be for it
	header  string // see Document.KeyHeader
	flows   *field // of oauth2, or nil
}

// readSchemes reads the security schemes that the document declares.
func (r *reader) readSchemes(doc *mapping) error {
	all := layers{doc}
	for _, key := range []string{"components", "securitySchemes"} {
		f, err := all.get(key)
		if f == nil || err != nil {
			return err
		}
		if all, err = r.layers(f.value, key); err != nil {
			return err
		}
	}
	for _, m := range all {
		for i := range m.fields {
			f := &m.fields[i]
			if f.name() == "$ref" {
				continue
			}
			if _, err := all.get(f.name()); err != nil {
				return err // twice
			}
			l, err := r.layers(f.value, "security scheme "+apikey.Quote(f.name()))
			if err != nil {
				return err
			}
			s := newScheme(l[len(l)-1])
			s.name, s.where = f.name(), f.where()
			r.schemes[s.name] = s
			r.names = append(r.names, s.name)
		}
	}
	return nil
}

func newScheme(m *mapping) *scheme {
	text := func(key string) string {
		if f := m.get(key); f != nil {
			return f.value.node.Value
		}
		return ""
	}
	s := new(scheme)
	switch kind := text("type"); kind {
	case "http":
		if !strings.EqualFold(text("scheme"), "bearer") {
			s.refused = "is http " + apikey.Quote(text("scheme"))
		}
	case "apiKey":
		switch {
		case text("in") != "header":
			s.refused = "is an apiKey in " + apikey.Quote(text("in")) + ", and keys are never read from a query or a cookie"
		case text("name") == "":
			s.refused = "is an apiKey in a header without a name"
		case !strings.EqualFold(text("name"), "Authorization"):
			s.header = http.CanonicalHeaderKey(text("name"))
		}
	case "oauth2":
		s.flows = m.get("flows")
	case "openIdConnect":
	default:
		s.refused = "is of the type " + apikey.Quote(kind)
	}
	return s
}

// scheme returns the scheme that keys are for: the one asked for, or the only
// one that can be. If none can, it has no name.
func (r *reader) scheme(doc *mapping, want string) (*scheme, error) {
	if want != "" {
		s := r.schemes[want]
		switch {
		case s == nil:
			return nil, fail(doc.where(), "security scheme %s is not declared; accepted: %s", apikey.Quote(want), r.declaredNames())
		case s.refused != "":
			return nil, fail(s.where, "security scheme %s %s; accepted: "+acceptedSchemes+"; declared: %s", apikey.Quote(want), s.refused, r.declaredNames())
		}
		return s, nil
	}
	var can []string
	for _, name := range r.names {
		if s := r.schemes[name]; s.used && s.refused == "" {
			can = append(can, name)
		}
	}
	switch len(can) {
	case 0:
		return new(scheme), nil
	case 1:
		return r.schemes[can[0]], nil
	default:
		return nil, fail(r.schemes[can[1]].where, "several security schemes could be that of the keys: %s; choose one by scheme <name>", list(can))
	}
}

func (r *reader) placesOfSchemes() map[string]string {
	places := make(map[string]string)
	for name, s := range r.schemes {
		places[name] = s.where
	}
	return places
}

// checkOthers refuses names of other schemes that are none.
func (r *reader) checkOthers(doc *mapping, keys *scheme, others []string) error {
	for _, name := range others {
		switch {
		case r.schemes[name] == nil:
			return fail(doc.where(), "security scheme %s of other_schemes is not declared; accepted: %s", apikey.Quote(name), r.declaredNames())
		case name == keys.name:
			return fail(keys.where, "security scheme %s of other_schemes is that of the keys; accepted: others", apikey.Quote(name))
		}
	}
	return nil
}

// mostNamed returns the scheme that most operations name of those that can be
// that of the keys; "" where there are not several.
func (r *reader) mostNamed(operations []operation) (name string) {
	named := make(map[string]int)
	for i := range operations {
		if s := operations[i].security; s != nil {
			for _, requirement := range s.requirements {
				for name := range requirement.scopes {
					named[name]++
				}
			}
		}
	}
	can := 0
	for _, candidate := range r.names {
		if s := r.schemes[candidate]; !s.used || s.refused != "" {
			continue
		}
		can++
		if name == "" || named[candidate] > named[name] {
			name = candidate
		}
	}
	if can < 2 {
		return ""
	}
	return name
}

func (r *reader) declaredNames() string {
	if len(r.names) == 0 {
		return "one that components/securitySchemes declares, which there is not"
	}
	return list(r.names)
}

// list shows names, but not very many.
func list(names []string) string {
	const most = 16
	var shown []string
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, apikey.Quote(name))
	}
	if len(names) > most {
		shown = append(shown, "…")
	}
	return strings.Join(shown, ", ")
}

// declaredScopes returns the scopes of the flows of oauth2 (OpenAPI 3.1.1
// §4.8.29), each where it is first.
func (r *reader) declaredScopes(s *scheme) ([]DeclaredScope, error) {
	if s.flows == nil {
		return nil, nil
	}
	flows, err := r.mapping(s.flows.value, "flows")
	if err != nil {
		return nil, err
	}
	var declared []DeclaredScope
	seen := make(map[string]bool)
	for i := range flows.fields {
		f := &flows.fields[i]
		if strings.HasPrefix(f.name(), "x-") {
			continue
		}
		flow, err := r.mapping(f.value, "flow "+apikey.Quote(f.name()))
		if err != nil {
			return nil, err
		}
		scopes := flow.get("scopes")
		if scopes == nil {
			continue
		}
		m, err := r.mapping(scopes.value, "scopes")
		if err != nil {
			return nil, err
		}
		fields, err := r.each(m)
		if err != nil {
			return nil, err
		}
		for i := range fields {
			if scope := fields[i].name(); !seen[scope] {
				seen[scope] = true
				declared = append(declared, DeclaredScope{Scope: scope, Source: fields[i].where()})
			}
		}
	}
	return declared, nil
}
