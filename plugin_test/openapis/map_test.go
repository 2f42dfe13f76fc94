package openapis

// paths finds the templates of a document that a request could be for.
type paths struct {
	all  []*template
	root branch
}

// branch is a place in the tree of templates.
type branch struct {
	literals map[string]*branch
	others   []*other
	here     []*template
	rest     []*template
}

type other struct {
	segment *segment
	branch
}

// newPaths puts operations on their templates. text is the path of one, with what
// goes before it.
func newPaths(operations []*operation, path func(*operation) string) *paths {
	p := new(paths)
	known := make(map[string]*template)
	for _, op := range operations {
		text := path(op)
		t := known[text]
		if t == nil {
			t = newTemplate(text)
			known[text] = t
			p.all = append(p.all, t)
			p.root.add(t, 0)
		}
		t.ops[op.method] = op
	}
	return p
}

func (b *branch) add(t *template, depth int) {
	if depth == len(t.segments) {
		if t.rest {
			b.rest = append(b.rest, t)
		} else {
			b.here = append(b.here, t)
		}
		return
	}
	s := &t.segments[depth]
	if s.literal() {
		if b.literals == nil {
			b.literals = make(map[string]*branch)
		}
		next := b.literals[s.texts[0]]
		if next == nil {
			next = new(branch)
			b.literals[s.texts[0]] = next
		}
		next.add(t, depth+1)
		return
	}
	for _, o := range b.others {
		if len(o.segment.texts) == len(s.texts) && o.segment.example() == s.example() {
			o.add(t, depth+1)
			return
		}
	}
	o := &other{segment: s}
	b.others = append(b.others, o)
	o.add(t, depth+1)
}

// find returns the templates that take a path.
func (p *paths) find(path string) (found []*template) { return p.root.find(split(path), nil) }

func (b *branch) find(parts []string, found []*template) []*template {
	if len(parts) == 0 {
		return append(found, b.here...)
	}
	if parts[len(parts)-1] != "" {
		found = append(found, b.rest...)
	}
	if next := b.literals[parts[0]]; next != nil {
		found = next.find(parts[1:], found)
	}
	for _, o := range b.others {
		if o.segment.takes(parts[0]) {
			found = o.find(parts[1:], found)
		}
	}
	return found
}

// operations returns the operations that a request may be for: those of the most
// specific templates that have the method (OpenAPI 3.1.1 §4.8.8.2). Several are
// left where OpenAPI leaves open which it is. HEAD follows GET unless the path has
// it.
func operations(method string, found []*template) (ops []*operation) {
	has := func(t *template) *operation {
		op := t.ops[method]
		if op == nil && method == "HEAD" {
			op = t.ops["GET"]
		}
		return op
	}
	for _, t := range found {
		op := has(t)
		if op == nil {
			continue
		}
		narrower := false
		for _, u := range found {
			narrower = narrower || u != t && has(u) != nil && u.within(t)
		}
		if !narrower {
			ops = append(ops, op)
		}
	}
	return ops
}
