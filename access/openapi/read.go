package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/apikey"
)

// Bounds of what one document may make us do. Nothing in a document that people
// write comes near.
const (
	maxBytes  = 32 << 20 // of all its files together
	maxFiles  = 1000
	maxDepth  = 256     // of lists and mappings in each other
	maxRefs   = 16      // from one $ref to the next
	maxVisits = 2 << 20 // keys and items looked at, with what aliases, merge keys and $refs repeat

	maxOperations = 100_000
)

// Read reads the document at a path, with the files in its folder that its
// $refs name. It knows OpenAPI 3.0.x, 3.1.x and 3.2.x, as YAML or JSON. The error is an
// [*Error].
//
// Operations that can be no route are no error: each has its Problem.
func Read(path string, o Options) (*Document, error) {
	d, _, err := load(path, &o, false)
	return d, err
}

// load does the work of Read. With choose it sets the options that the document
// leaves open: the scheme that most operations name where several could be that
// of the keys, and the base path of most where servers differ in theirs.
func load(path string, o *Options, choose bool) (d *Document, p *policy, err error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, nil, fail(path, "cannot be read: %s", reason(err))
	}
	defer root.Close()

	r := &reader{
		root:     root,
		choose:   choose,
		files:    make(map[string]*file),
		left:     maxBytes,
		digest:   sha256.New(),
		mappings: make(map[*yaml.Node]*mapping),
		schemes:  make(map[string]*scheme),
	}
	entry, err := r.open(filepath.Base(path), path, "the document")
	if err != nil {
		return nil, nil, err
	}
	d = &Document{File: path}
	if p, err = r.read(d, entry, o); err != nil {
		return nil, nil, err
	}
	d.Digest = hex.EncodeToString(r.digest.Sum(nil))
	return d, p, nil
}

// read fills in the document from its first file.
func (r *reader) read(d *Document, entry *file, o *Options) (*policy, error) {
	doc, err := r.mapping(entry.whole(), "the document")
	if err != nil {
		return nil, err
	}
	if err := checkVersion(doc); err != nil {
		return nil, err
	}
	if err := r.readSchemes(doc); err != nil {
		return nil, err
	}
	operations, err := r.operations(doc, o.BasePath)
	if err != nil {
		return nil, err
	}
	if r.differ {
		o.BasePath, r.visits = mostUsed(operations), 0
		if operations, err = r.operations(doc, o.BasePath); err != nil {
			return nil, err
		}
	}
	if r.choose && o.Scheme == "" {
		o.Scheme = r.mostNamed(operations)
	}
	s, err := r.scheme(doc, o.Scheme)
	if err != nil {
		return nil, err
	}
	d.Scheme, d.KeyHeader, d.SchemeSource = s.name, s.header, s.where
	declared, err := r.declaredScopes(s)
	if err != nil {
		return nil, err
	}
	if err := r.checkOthers(doc, s, o.OtherSchemes); err != nil {
		return nil, err
	}
	p := newPolicy(s.name, *o)
	p.places = r.placesOfSchemes()
	p.learn(operations)
	d.Operations = make([]Operation, len(operations))
	for i := range operations {
		d.Operations[i] = operations[i].build(p)
	}
	denyAlike(d.Operations)
	denyLookAlikes(d)
	d.Declared = p.declared(declared)
	d.UnusedMappings, d.Merged = p.unused(), p.merged()
	return p, nil
}

var version = regexp.MustCompile(`^3\.[012]\.\d+(-.+)?$`)

// checkVersion refuses all but OpenAPI documents of a version that we know
// (OpenAPI 3.1.1 §4.1).
func checkVersion(doc *mapping) error {
	const accepted = "; accepted: openapi 3.0.x, 3.1.x or 3.2.x"
	if f := doc.get("swagger"); f != nil {
		return fail(f.where(), "is Swagger %s"+accepted, apikey.Quote(f.value.node.Value))
	}
	f := doc.get("openapi")
	if f == nil {
		return fail(doc.where(), "is no OpenAPI document, as it has no key openapi"+accepted)
	}
	if s, ok := f.value.text(); !ok || !version.MatchString(s) {
		return fail(f.where(), "openapi %s is not known"+accepted, apikey.Quote(f.value.node.Value))
	}
	return nil
}

// reason returns why a file cannot be opened, without its name.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}
