package openapi

import (
	"bytes"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader reads one document.
type reader struct {
	root   *os.Root // the folder of the document: nothing outside it is opened
	files  map[string]*file
	left   int64     // bytes that may still be read
	digest hash.Hash // of what was read

	mappings map[*yaml.Node]*mapping
	visits   int // so far, see maxVisits

	schemes map[string]*scheme // by name; those of the first file
	names   []string           // theirs, in the order of the document
	fixed   bool               // whether the base path is given, and servers do not matter
	choose  bool               // what the document leaves open, see load
	differ  bool               // paths of servers do, where that is to be chosen
}

// file is a file that was read.
type file struct {
	name string // relative to the folder of the document, with slashes
	root *yaml.Node
	json bool // see where
}

func (f *file) at(line int) string { return f.name + ":" + strconv.Itoa(line) }

func (f *file) whole() place { return place{f, f.root} }

// open returns the file of a name, which is relative to the folder of the
// document and clean. What names it, and where, is for errors.
func (r *reader) open(name, where, what string) (*file, error) {
	if f := r.files[name]; f != nil {
		return f, nil
	}
	if len(r.files) == maxFiles {
		return nil, fail(where, "%s is one file too many; accepted: at most %d", what, maxFiles)
	}
	text, err := r.readFile(name)
	switch {
	case err != nil:
		return nil, fail(where, "%s cannot be read: %s", what, reason(err))
	case int64(len(text)) > r.left:
		return nil, fail(where, "%s is too large; accepted: at most %d MiB in all files of the document", what, maxBytes>>20)
	}
	r.left -= int64(len(text))
	r.digest.Write(text)

	f := &file{name: filepath.ToSlash(name)}
	parse := f.parseYAML
	if f.json = isJSON(name, text); f.json {
		parse = f.parseJSON
	}
	if f.root, err = parse(text); err != nil {
		return nil, err
	}
	r.files[name] = f
	return f, nil
}

// readFile returns what is in a file, up to a byte more than may be.
func (r *reader) readFile(name string) ([]byte, error) {
	info, err := r.root.Stat(name)
	if err != nil {
		return nil, err
	}
	// Opening a pipe would wait for somebody to write to it.
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var text bytes.Buffer
	text.Grow(int(min(info.Size(), r.left)) + bytes.MinRead)
	_, err = text.ReadFrom(io.LimitReader(f, r.left+1))
	return text.Bytes(), err
}

// isJSON tells JSON from YAML. JSON is not read as YAML, which refuses its
// surrogate pairs ("\ud83d\ude00").
func isJSON(name string, text []byte) bool {
	return strings.HasSuffix(name, ".json") || bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}
