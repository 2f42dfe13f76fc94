package openapi

import "github.com/socialpatra/keygate/apikey"

// security is what an operation, or the document, says that requests need: one
// of the requirements. Without any, that is nothing.
type security struct {
	requirements []requirement
}

// requirement has the scopes that are needed of each scheme. Without any scheme,
// nothing is needed.
type requirement struct {
	where  string
	names  []string // of schemes, in the order of the document
	scopes map[string][]string
}

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
		return requirement{}, err
	}
	fields, err := r.each(m)
	if err != nil {
		return requirement{}, err
	}
	need := requirement{where: p.where(), scopes: make(map[string][]string, len(fields))}
	for i := range fields {
		f := &fields[i]
		s := r.schemes[f.name()]
		if s == nil {
			return requirement{}, fail(f.where(), "security scheme %s is not declared; accepted: %s", apikey.Quote(f.name()), r.declaredNames())
		}
		s.used = true
		items, err := r.list(f.value, "what is needed of "+apikey.Quote(f.name()))
		if err != nil {
			return requirement{}, err
		}
		scopes := make([]string, len(items))
		for i, item := range items {
			var ok bool
			if scopes[i], ok = item.text(); !ok {
				return requirement{}, fail(item.where(), "a scope of %s is no text", apikey.Quote(f.name()))
			}
		}
		need.names = append(need.names, f.name())
		need.scopes[f.name()] = scopes
	}
	return need, nil
}
