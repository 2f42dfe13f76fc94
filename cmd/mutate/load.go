package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// pkg is a package to be mutated.
type pkg struct {
	path  string
	dir   string
	files []*file

	fset *token.FileSet
	info *types.Info

	importing sync.Mutex // imp is not safe for concurrent use
	imp       types.Importer
}

// file is one source file of the package, not a test.
type file struct {
	name  string // absolute
	short string // as the listing shows it, relative to where the command was run
	text  []byte
	ast   *ast.File
	lines map[int]bool // lines to be mutated; nil: all
}

// load reads and type-checks the packages.
func load(o *options) ([]*pkg, error) {
	changed, err := changedLines(o.base)
	if err != nil {
		return nil, err
	}
	listed, exports, err := goList(o)
	if err != nil {
		return nil, err
	}
	var all []*pkg
	for _, l := range listed {
		p := &pkg{path: l.ImportPath, dir: l.Dir, fset: token.NewFileSet()}
		p.imp = importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
			if exports[path] == "" {
				return nil, fmt.Errorf("no export data of %s", path)
			}
			return os.Open(exports[path])
		})
		wanted := false
		for _, name := range l.GoFiles {
			f, err := p.parse(filepath.Join(l.Dir, name))
			if err != nil {
				return nil, err
			}
			f.lines = map[int]bool{}
			if strings.Contains(f.short, o.file) {
				f.lines = changed.of(f.name)
			}
			wanted = wanted || f.lines == nil || len(f.lines) > 0
			p.files = append(p.files, f)
		}
		if !wanted || len(l.TestGoFiles)+len(l.XTestGoFiles) == 0 {
			continue
		}
		p.info = &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
		if err := p.check(nil, nil, p.info); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		all = append(all, p)
	}
	return all, nil
}

type listedPackage struct {
	Dir, ImportPath, Export            string
	DepOnly                            bool
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// goList returns the packages asked for, and where the export data of their
// dependencies is.
func goList(o *options) (listed []listedPackage, exports map[string]string, err error) {
	args := append([]string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,DepOnly,GoFiles,TestGoFiles,XTestGoFiles", "-tags", o.tags, "--"}, o.packages...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	exports = make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listedPackage
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return listed, exports, nil
		} else if err != nil {
			return nil, nil, fmt.Errorf("go list: %w", err)
		}
		exports[l.ImportPath] = l.Export
		if !l.DepOnly {
			listed = append(listed, l)
		}
	}
}

func (p *pkg) parse(name string) (*file, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(p.fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	short := name
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, name); err == nil {
			short = filepath.ToSlash(rel)
		}
	}
	return &file{name: name, short: short, text: text, ast: parsed}, nil
}

// compiles reports whether a mutant is a valid program.
func (p *pkg) compiles(m *mutant) bool { return p.check(m.file, m.text(), nil) == nil }

// check type-checks the package, with the text of one file replaced unless
// changed is nil. That finds invalid programs faster than the compiler does.
func (p *pkg) check(changed *file, text []byte, info *types.Info) error {
	var files []*ast.File
	for _, f := range p.files {
		parsed := f.ast
		if f == changed {
			var err error
			if parsed, err = parser.ParseFile(p.fset, f.name, text, parser.SkipObjectResolution); err != nil {
				return err
			}
		}
		files = append(files, parsed)
	}
	p.importing.Lock()
	defer p.importing.Unlock()
	conf := types.Config{Importer: p.imp}
	_, err := conf.Check(p.path, p.fset, files, info)
	return err
}
