package openapi

import (
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// inherited is what an operation has from above unless it says otherwise.
type inherited struct {
	base     string
	security *security // nil: nothing said
}

// operations returns all operations of the document, in its order.
func (r *reader) operations(doc *mapping, basePath string) (all []operation, err error) {
	var above inherited
	if r.fixed = basePath != ""; r.fixed {
		above.base, err = givenBase(basePath)
	} else {
		above.base, err = r.basePath(doc.get("servers"), "")
	}
	if err != nil {
		return nil, err
	}
	if above.security, err = r.security(doc.get("security"), nil); err != nil {
		return nil, err
	}
	if f := doc.get("paths"); f != nil {
		if all, err = r.paths(f.value, above); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fail(doc.where(), "has no operation; accepted: at least one, in paths")
	}
	return all, nil
}

func (r *reader) paths(p place, above inherited) (all []operation, err error) {
	paths, err := r.layers(p, "paths")
	if err != nil {
		return nil, err
	}
	for _, layer := range paths {
		for i := range layer.fields {
			f := &layer.fields[i]
			switch {
			case f.name() == "$ref" || strings.HasPrefix(f.name(), "x-"):
				continue
			case !strings.HasPrefix(f.name(), "/"):
				return nil, fail(f.where(), "path %s does not start with a slash", apikey.Quote(f.name()))
			}
			if _, err := paths.get(f.name()); err != nil {
				return nil, err
			}
			if all, err = r.pathItem(all, f, above); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// pathItem appends the operations of a path (OpenAPI 3.1.1 §4.8.9).
func (r *reader) pathItem(all []operation, path *field, above inherited) ([]operation, error) {
	item, err := r.layers(path.value, "path "+apikey.Quote(path.name()))
	if err != nil {
		return nil, err
	}
	servers, err := item.get("servers")
	if err != nil {
		return nil, err
	}
	if above.base, err = r.basePath(servers, above.base); err != nil {
		return nil, err
	}
	for _, layer := range item {
		fields, err := r.each(layer)
		if err != nil {
			return nil, err
		}
		for i := range fields {
			f := &fields[i]
			// A path has no security. To ignore what is meant for it could open it.
			if f.name() == "security" || isOurs(f.name()) {
				return nil, fail(f.where(), "%s is beside the operations; accepted: in each operation that it is for", apikey.Quote(f.name()))
			}
			method, others := methods[f.name()], f.name() == "additionalOperations"
			if method == "" && !others {
				continue
			}
			if _, err := item.get(f.name()); err != nil {
				return nil, err
			}
			if others {
				all, err = r.additional(all, f, path.name(), above)
			} else {
				all, err = r.appendOperation(all, f, method, path.name(), above)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// additional appends the operations of a path with methods that have no key of
// their own, which are spelt as in requests (OpenAPI 3.2.0 §4.9).
func (r *reader) additional(all []operation, f *field, path string, above inherited) ([]operation, error) {
	m, err := r.mapping(f.value, f.name())
	if err != nil {
		return nil, err
	}
	fields, err := r.each(m)
	if err != nil {
		return nil, err
	}
	for i := range fields {
		method := fields[i].name()
		if key := strings.ToLower(method); methods[key] == method {
			return nil, fail(fields[i].where(), "%s is in additionalOperations; accepted: as %s, beside them", method, key)
		}
		if all, err = r.appendOperation(all, &fields[i], method, path, above); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r *reader) appendOperation(all []operation, f *field, method, path string, above inherited) ([]operation, error) {
	if len(all) == maxOperations {
		return nil, fail(f.where(), "is one operation too many; accepted: at most %d", maxOperations)
	}
	o, err := r.operation(f, above)
	if err != nil {
		return nil, err
	}
	o.method, o.path = method, o.base+path
	if len(o.path) > maxPath {
		return nil, fail(f.where(), "path %s is too long; accepted: at most %d bytes", apikey.Quote(o.path), maxPath)
	}
	if r.segments += strings.Count(o.path, "/"); r.segments > maxSegments {
		return nil, fail(f.where(), "makes the paths too long together; accepted: at most %d segments", maxSegments)
	}
	return append(all, o), nil
}

// methods are the keys of a path item that are operations.
var methods = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE",
	"options": "OPTIONS", "head": "HEAD", "patch": "PATCH", "trace": "TRACE",
	"query": "QUERY", // OpenAPI 3.2
}
