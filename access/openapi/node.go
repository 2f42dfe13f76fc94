package openapi

import (
	"go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/apikey"
)

// place is a node of a file. It is never an alias, but what that stands for.
type place struct {
	file *file
	node *yaml.Node
}

func newPlace(f *file, n *yaml.Node) place {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return place{f, n}
}

func (p place) where() string { return p.file.where(p.node) }

// text returns what a node says that is a string.
func (p place) text() (string, bool) {
	return p.node.Value, p.node.Kind == yaml.ScalarNode && p.node.Tag == "!!str"
}

// mapping is a mapping with what it merges in.
type mapping struct {
	place
	fields []field
	index  map[string]int // of fields, by key; nil while these are few
}

// few fields are found sooner without an index, and most mappings have no more.
const few = 8

// field is a key of a mapping and its value.
type field struct {
	key   place
	value place
}

func (f *field) name() string { return f.key.node.Value }

func (f *field) where() string { return f.key.where() }

// get returns the field of a key, or nil.
func (m *mapping) get(key string) *field {
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return &m.fields[i]
		}
		return nil
	}
	for i := range m.fields {
		if m.fields[i].name() == key {
			return &m.fields[i]
		}
	}
	return nil
}

func (m *mapping) add(f field) {
	m.fields = append(m.fields, f)
	switch n := len(m.fields); {
	case n == few+1:
		m.index = make(map[string]int, cap(m.fields))
		for i := range m.fields {
			m.index[m.fields[i].name()] = i
		}
	case n > few:
		m.index[f.name()] = n - 1
	}
}

// mapping returns what is at a place, which is called what in errors.
func (r *reader) mapping(p place, what string) (*mapping, error) {
	return r.merged(p, what, 0)
}

// merged does the work of mapping, depth merge keys away from it.
func (r *reader) merged(p place, what string, depth int) (*mapping, error) {
	if m := r.mappings[p.node]; m != nil {
		return m, nil
	}
	if p.node.Kind != yaml.MappingNode {
		return nil, fail(p.where(), "%s is no mapping of keys to values", what)
	}
	if depth > maxRefs {
		return nil, fail(p.where(), "has merge keys that lead in a circle, or too far; accepted: at most %d in each other", maxRefs)
	}
	content, err := r.content(p)
	if err != nil {
		return nil, err
	}
	m := &mapping{place: p, fields: make([]field, 0, len(content)/2)}
	var merge *field
	for i := 0; i+1 < len(content); i += 2 {
		f := field{newPlace(p.file, content[i]), newPlace(p.file, content[i+1])}
		if f.key.node.Kind != yaml.ScalarNode {
			return nil, fail(f.where(), "has a key that is no text")
		}
		isMerge := f.key.node.Tag == "!!merge"
		before := m.get(f.name())
		if isMerge {
			before = merge
		}
		if before != nil {
			return nil, fail(f.where(), "has the key %s twice, first in line %d", apikey.Quote(f.name()), before.key.node.Line)
		}
		if isMerge {
			merge = &field{f.key, f.value}
		} else {
			m.add(f)
		}
	}
	if merge != nil {
		if err := r.merge(m, merge.value, depth); err != nil {
			return nil, err
		}
	}
	r.mappings[p.node] = m
	return m, nil
}

// merge adds the fields of a merge key, a mapping or a list of these: what m has
// itself comes first, then the mappings in their order (YAML's merge key,
// https://yaml.org/type/merge.html).
func (r *reader) merge(m *mapping, value place, depth int) error {
	sources := []place{value}
	if value.node.Kind == yaml.SequenceNode {
		var err error
		if sources, err = r.list(value, "<<"); err != nil {
			return err
		}
	}
	for _, p := range sources {
		source, err := r.merged(p, "<<", depth+1)
		if err != nil {
			return err
		}
		fields, err := r.each(source)
		if err != nil {
			return err
		}
		for _, f := range fields {
			if m.get(f.name()) == nil {
				m.add(f)
			}
		}
	}
	return nil
}

// each returns the fields of a mapping, and counts them as visits. Code that reads a
// mapping only once in a document need not count, and uses its fields directly.
func (r *reader) each(m *mapping) ([]field, error) {
	return m.fields, r.visit(m.place, len(m.fields))
}

// list returns the items of what is at a place, which is called what in errors.
func (r *reader) list(p place, what string) ([]place, error) {
	if p.node.Kind != yaml.SequenceNode {
		return nil, fail(p.where(), "%s is no list", what)
	}
	content, err := r.content(p)
	if err != nil {
		return nil, err
	}
	if err := r.visit(p, len(content)); err != nil {
		return nil, err
	}
	items := make([]place, len(content))
	for i, n := range content {
		items[i] = newPlace(p.file, n)
	}
	return items, nil
}

// visit counts keys or items that are looked at.
func (r *reader) visit(p place, n int) error {
	if r.visits += n; r.visits > maxVisits {
		return fail(p.where(), "makes the document too large, with all that aliases, merge keys and $refs repeat; accepted: %d keys and items that matter", maxVisits)
	}
	return nil
}

// count counts keys, values and items that are kept in memory.
func (r *reader) count(p place, n int) error {
	if r.nodes += n; r.nodes > maxNodes {
		return fail(p.where(), "makes the document too large; accepted: about %d keys, values and items, or half as many in JSON", maxNodes)
	}
	return nil
}
