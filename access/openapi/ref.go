package openapi

import (
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

const acceptedRef = "; accepted: #/components/… or a file in the folder of the document, such as paths/posts.yaml or paths/posts.yaml#/item"

// layers are a mapping and what its $ref refers to, and what the $ref of that
// does. OpenAPI 3.1.1 §4.8.9 leaves open what a field means that is in several
// of them: where it matters that is an error.
type layers []*mapping

// get returns the field of a key, or nil.
func (l layers) get(key string) (*field, error) {
	var found *field
	for _, m := range l {
		f := m.get(key)
		switch {
		case f == nil:
		case found != nil:
			return nil, fail(found.where(), "%s is also in what the $ref refers to, at %s; accepted: one of them", apikey.Quote(key), f.where())
		default:
			found = f
		}
	}
	return found, nil
}

// layers returns what is at a place, which is called what in errors.
func (r *reader) layers(p place, what string) (layers, error) {
	var l layers
	for {
		m, err := r.mapping(p, what)
		if err != nil {
			return nil, err
		}
		if slices.Contains(l, m) {
			return nil, fail(l[len(l)-1].get("$ref").where(), "$ref leads in a circle, back to %s", m.where())
		}
		l = append(l, m)
		ref := m.get("$ref")
		if ref == nil {
			return l, nil
		}
		if len(l) > maxRefs {
			return nil, fail(ref.where(), "$ref is too far from the first; accepted: at most %d that lead to each other", maxRefs)
		}
		if p, err = r.follow(ref); err != nil {
			return nil, err
		}
	}
}

// follow returns what a $ref refers to.
func (r *reader) follow(f *field) (place, error) {
	ref, ok := f.value.text()
	what := "$ref " + apikey.Quote(ref)
	u, err := url.Parse(ref)
	switch {
	case !ok || ref == "" || err != nil:
		return place{}, fail(f.where(), "%s is no reference"+acceptedRef, what)
	case u.Scheme != "" || u.Host != "" || u.RawQuery != "":
		return place{}, fail(f.where(), "%s is a URL, and nothing is fetched"+acceptedRef, what)
	}
	target := f.value.file
	if u.Path != "" {
		// Relative to the file that has the $ref (OpenAPI 3.1.1 §4.6).
		name := filepath.FromSlash(path.Join(path.Dir(target.name), u.Path))
		if path.IsAbs(u.Path) || !filepath.IsLocal(name) {
			return place{}, fail(f.where(), "%s is outside the folder of the document"+acceptedRef, what)
		}
		if target, err = r.open(name, f.where(), what); err != nil {
			return place{}, err
		}
	}
	return r.find(target.whole(), u.Fragment, f.where(), what)
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// find follows a JSON pointer (RFC 6901), percent-decoded, through mappings.
func (r *reader) find(p place, pointer, where, what string) (place, error) {
	if pointer == "" {
		return p, nil
	}
	if pointer[0] != '/' {
		return place{}, fail(where, "%s has a fragment that does not start with a slash"+acceptedRef, what)
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		m, err := r.mapping(p, "what "+what+" at "+where+" goes through")
		if err != nil {
			return place{}, err
		}
		f := m.get(unescape.Replace(token))
		if f == nil {
			return place{}, fail(where, "%s refers to nothing: %s has no key %s", what, p.where(), apikey.Quote(unescape.Replace(token)))
		}
		p = f.value
	}
	return p, nil
}
