package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// together is one test program with many mutants. The environment variable
// KEYGATE_MUTANT selects one of them. To build and link a program for each mutant
// would take most of the time. Each function has a copy of its body for each
// fault in it.
//
// The copies change where variables live, so tests of allocations may fail
// without any fault. Such tests are left out here. A mutant that survives is run
// once more by itself, with all tests.
type together struct {
	r       *runner
	numbers map[*mutant]int
	program string
	skip    string // pattern of the tests that fail without a fault; "": none
}

// newTogether builds the program of all mutants that can be in it. If there are
// too few of them, the program has none.
func newTogether(r *runner, mutants []*mutant) (*together, error) {
	t := &together{r: r, numbers: make(map[*mutant]int), program: filepath.Join(r.dir, "together.test")}
	bodies := make(map[*ast.BlockStmt][]*mutant)
	for _, m := range mutants {
		if body := m.body(); body != nil {
			bodies[body] = append(bodies[body], m)
			t.numbers[m] = len(t.numbers) + 1
		}
	}
	for len(t.numbers) > 1 {
		overlay, places, err := t.write(bodies)
		if err != nil {
			return nil, err
		}
		args := []string{"test", "-c", "-vet=off", "-gcflags=-e", "-tags", r.o.tags, "-overlay", overlay, "-o", t.program, r.p.path}
		out, err := exec.Command("go", args...).CombinedOutput()
		if err == nil {
			return t, t.leaveOut()
		}
		if !t.drop(bodies, places, out) {
			return nil, fmt.Errorf("%s: its mutants do not build together: %s", r.p.path, out)
		}
	}
	t.numbers = nil
	return t, nil
}

// place is where a mutant is in the written source: its lines, from the first to
// before the last.
type place struct {
	file     string
	from, to int
	m        *mutant
}

var compileError = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+: `)

// drop removes the mutants that the compiler refuses although the type check
// accepted them, and reports whether there were any.
func (t *together) drop(bodies map[*ast.BlockStmt][]*mutant, places []place, out []byte) bool {
	dropped := false
	for _, found := range compileError.FindAllSubmatch(out, -1) {
		line, _ := strconv.Atoi(string(found[2])) // always digits
		for _, p := range places {
			if filepath.Base(p.file) != filepath.Base(string(found[1])) || line < p.from || line >= p.to {
				continue
			}
			delete(t.numbers, p.m)
			body := p.m.body()
			bodies[body] = slices.DeleteFunc(bodies[body], func(m *mutant) bool { return m == p.m })
			dropped = true
		}
	}
	return dropped
}

// body is the function body that contains a fault. It is nil if the fault is in
// no function, or in one with labels, which cannot be copied.
func (m *mutant) body() *ast.BlockStmt {
	for _, d := range m.file.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || m.offset(f.Body.Lbrace) >= m.start || m.end > m.offset(f.Body.Rbrace) {
			continue
		}
		labels := false
		ast.Inspect(f.Body, func(n ast.Node) bool {
			_, label := n.(*ast.LabeledStmt)
			labels = labels || label
			return true
		})
		if !labels {
			return f.Body
		}
	}
	return nil
}

// write writes the sources. It returns the name of the overlay that replaces the
// package's own sources by them, and where the mutants are in them.
func (t *together) write(bodies map[*ast.BlockStmt][]*mutant) (string, []place, error) {
	type copies struct {
		start, end int
		text       string
		places     []place // by line of text
	}
	changed := make(map[*file][]copies)
	for body, mutants := range bodies {
		if len(mutants) == 0 {
			continue
		}
		f := mutants[0].file
		start, end := mutants[0].offset(body.Lbrace), mutants[0].offset(body.Rbrace)+1
		var text strings.Builder
		var places []place
		text.WriteString("{ switch keygateMutant {\n")
		for _, m := range mutants {
			from := strings.Count(text.String(), "\n")
			fmt.Fprintf(&text, "case %d:\n%s%s%s\n", t.numbers[m], f.text[start:m.start], m.with, f.text[m.end:end])
			places = append(places, place{f.name, from, strings.Count(text.String(), "\n"), m})
		}
		fmt.Fprintf(&text, "default:\n%s\n} }", f.text[start:end])
		changed[f] = append(changed[f], copies{start, end, text.String(), places})
	}
	replace := make(map[string]string)
	var places []place
	for f, all := range changed {
		slices.SortFunc(all, func(x, y copies) int { return x.start - y.start })
		var text bytes.Buffer
		done := 0
		for _, c := range all {
			text.Write(f.text[done:c.start])
			before := bytes.Count(text.Bytes(), []byte("\n")) + 1
			for _, p := range c.places {
				places = append(places, place{p.file, before + p.from, before + p.to, p.m})
			}
			text.WriteString(c.text)
			done = c.end
		}
		text.Write(f.text[done:])
		replace[f.name] = filepath.Join(t.r.dir, filepath.Base(f.name))
		if err := os.WriteFile(replace[f.name], text.Bytes(), 0o600); err != nil {
			return "", nil, err
		}
	}
	chooser := filepath.Join(t.r.dir, "keygate_mutant.go")
	source := "package " + t.r.p.files[0].ast.Name.Name + "\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar keygateMutant, _ = strconv.Atoi(os.Getenv(\"KEYGATE_MUTANT\"))\n"
	replace[filepath.Join(t.r.p.dir, "keygate_mutant.go")] = chooser
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", nil, err
	}
	name := filepath.Join(t.r.dir, "together.json")
	return name, places, errors.Join(os.WriteFile(chooser, []byte(source), 0o600), os.WriteFile(name, overlay, 0o600))
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// leaveOut finds the tests that fail without a fault.
func (t *together) leaveOut() error {
	out, err := t.test(0, "-test.failfast=false")
	if err == nil {
		return nil
	}
	var names []string
	for _, found := range failedTest.FindAllSubmatch(out, -1) {
		names = append(names, string(found[1]))
	}
	t.skip = "^(" + strings.Join(names, "|") + ")$"
	if out, err := t.test(0); len(names) == 0 || err != nil {
		return fmt.Errorf("%s fails with all mutants in it and none chosen: %w\n%s", t.r.p.path, err, out)
	}
	return nil
}

// test runs the tests with one mutant; 0 means none.
func (t *together) test(n int, more ...string) ([]byte, error) {
	dir, err := os.MkdirTemp(t.r.dir, "run-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*t.r.limit+time.Minute)
	defer cancel()
	args := append([]string{"-c", boundedShell, t.program, "-test.failfast", "-test.timeout", t.r.limit.String()}, more...)
	if t.r.o.run != "" {
		args = append(args, "-test.run", t.r.o.run)
	}
	if t.skip != "" {
		args = append(args, "-test.skip", t.skip)
	}
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir = t.r.p.dir
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "KEYGATE_MUTANT="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	return out, errors.Join(err, ctx.Err()) // of a program that was ended, err says no more than that
}

// run runs a mutant that is in the program.
func (t *together) run(n int) outcome {
	switch out, err := t.test(n); {
	case err == nil:
		return survived
	case bytes.Contains(out, []byte("panic: test timed out")), errors.Is(err, context.DeadlineExceeded), errors.Is(err, exec.ErrWaitDelay):
		return timedOut
	default:
		return killed
	}
}
