package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// outcome is what the tests made of a mutant.
type outcome int

const (
	survived   outcome = iota
	killed             // a test failed
	timedOut           // the tests did not end, which counts as killed
	equivalent         // listed as equivalent, not run
	uncovered          // no test runs the code, so the mutant was not run
	unbuilt            // not a valid program
	left               // time was up
)

var outcomeNames = [...]string{"SURVIVED", "killed", "timed out", "equivalent", "NOT COVERED", "no program", "not run"}

func (o outcome) String() string { return outcomeNames[o] }

// summary counts outcomes.
type summary [len(outcomeNames)]int

func (s *summary) add(other *summary) {
	for i, n := range other {
		s[i] += n
	}
}

// mutants counts those that tests could have noticed.
func (s *summary) mutants() int { return s[killed] + s[timedOut] + s[survived] + s[uncovered] }

func (s *summary) killedPercent() float64 {
	return 100 * float64(s[killed]+s[timedOut]) / float64(max(1, s.mutants()))
}

func (s *summary) String() string {
	return fmt.Sprintf("%d mutants, %.1f %% killed (%d, of them %d by the time limit); %d survived, %d are not covered, %d are equivalent, %d are no programs, %d were not run",
		s.mutants(), s.killedPercent(), s[killed]+s[timedOut], s[timedOut], s[survived], s[uncovered], s[equivalent], s[unbuilt], s[left])
}

// slowest is how many times longer than the original program a mutant may take.
const slowest = 3

// runner runs mutants of one package.
type runner struct {
	p       *pkg
	o       *options
	dir     string // for temporary files
	covered coverage
	limit   time.Duration
}

// runAll runs the mutants of a package. It writes a line for each mutant that
// says something about the tests.
func runAll(w io.Writer, p *pkg, mutants []mutant, known equivalents, o *options, end time.Time) (summary, error) {
	var sum summary
	if len(mutants) == 0 {
		return sum, nil
	}
	dir, err := os.MkdirTemp("", "mutate-*")
	if err != nil {
		return sum, err
	}
	defer os.RemoveAll(dir)
	r := &runner{p: p, o: o, dir: dir}
	if err := r.sound(); err != nil {
		return sum, err
	}
	results := make([]outcome, len(mutants))
	var runnable []*mutant
	for i := range mutants {
		m := &mutants[i]
		if results[i] = r.kind(m, known); results[i] == left {
			runnable = append(runnable, m)
		} else if results[i] == uncovered {
			fmt.Fprintf(w, "%s %s\n", uncovered, m)
		}
	}
	all, err := newTogether(r, runnable)
	if err != nil {
		return sum, err
	}
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range max(1, o.parallel) {
		wg.Go(func() {
			for i := range next {
				if !end.IsZero() && time.Now().After(end) {
					continue
				}
				m := &mutants[i]
				result := survived
				var err error
				if n := all.numbers[m]; n > 0 {
					result = all.run(n)
				}
				if result == survived {
					result, err = r.one(i, m)
				}
				mu.Lock()
				results[i] = result
				failed = errors.Join(failed, err)
				if result == survived {
					fmt.Fprintf(w, "%s %s\n", result, m)
				}
				mu.Unlock()
			}
		})
	}
	for _, i := range order(len(mutants), !end.IsZero()) {
		if results[i] == left {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	for _, result := range results {
		sum[result]++
	}
	return sum, failed
}

// order returns the numbers 0 to n-1 in the order in which to run the mutants. If
// mixed, time may run out, so the first ones are spread over all files. The order
// is the same in every run.
func order(n int, mixed bool) []int {
	if mixed {
		return rand.New(rand.NewPCG(1, 1)).Perm(n) //nolint:gosec // no secret
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// testArgs returns the arguments of go test for the package.
func (r *runner) testArgs(more ...string) []string {
	args := append([]string{"test", "-count=1", "-vet=off", "-failfast", "-tags", r.o.tags}, more...)
	if r.o.run != "" {
		args = append(args, "-run", r.o.run)
	}
	return append(args, r.p.path)
}

// sound runs the tests on the original program, to learn how long they take and
// which code they run.
func (r *runner) sound() error {
	profile := filepath.Join(r.dir, "cover.out")
	cmd := exec.Command("go", r.testArgs("-coverprofile", profile)...) //nolint:gosec // of packages that the caller names
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s fails as it is: %w\n%s", r.p.path, err, out)
	}
	r.limit = max(r.o.patience, slowest*time.Since(begin))
	var err error
	r.covered, err = readCoverage(profile)
	return err
}

// kind is the outcome of a mutant that need not be run, and left for one that has
// to be run.
func (r *runner) kind(m *mutant, known equivalents) outcome {
	switch {
	case known.has(m):
		return equivalent
	case !r.p.compiles(m):
		return unbuilt
	case !r.covered.has(r.p.path+"/"+filepath.Base(m.file.name), m.at.Line, m.at.Column):
		return uncovered
	default:
		return left
	}
}

// one runs one mutant as a program of its own.
func (r *runner) one(n int, m *mutant) (outcome, error) {
	dir := filepath.Join(r.dir, strconv.Itoa(n))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return left, err
	}
	defer os.RemoveAll(dir)
	source, overlay := filepath.Join(dir, filepath.Base(m.file.name)), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {m.file.name: source}})
	if err != nil {
		return left, err
	}
	if err := errors.Join(os.WriteFile(source, m.text(), 0o600), os.WriteFile(overlay, text, 0o600)); err != nil {
		return left, err
	}
	// The test binary ends itself at its time limit and says so. If it hangs
	// nevertheless, it is killed.
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.limit+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", r.testArgs("-overlay", overlay, "-timeout", r.limit.String(), "-exec", boundedExec)...) //nolint:gosec // of packages that the caller names
	cmd.WaitDelay = 10 * time.Second
	// Files that tests leave behind are removed with the mutant.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return survived, nil
	case ctx.Err() != nil, bytes.Contains(out, []byte("panic: test timed out")):
		return timedOut, nil
	case bytes.Contains(out, []byte("[build failed]")):
		return unbuilt, nil
	}
	return killed, nil
}

// boundedShell runs a test binary with a limit on its address space, in kB,
// because a mutant may allocate without end. The limit is large because stores
// map 8 GiB at once.
const (
	boundedShell = `ulimit -v 60000000; exec "$0" "$@"`
	boundedExec  = "sh -c '" + boundedShell + "'"
)

// coverage has the code that tests run, by file as the profile names it.
type coverage map[string][]block

type block struct{ fromLine, fromColumn, toLine, toColumn int }

// has reports whether a test runs the code at a position. Code outside functions
// always counts as run.
func (c coverage) has(name string, line, column int) bool {
	inside := false
	for _, b := range c[name+"\x00"] {
		inside = inside || b.contains(line, column)
	}
	if !inside {
		return true
	}
	for _, b := range c[name] {
		if b.contains(line, column) {
			return true
		}
	}
	return false
}

func (b block) contains(line, column int) bool {
	after := line > b.fromLine || line == b.fromLine && column >= b.fromColumn
	before := line < b.toLine || line == b.toLine && column <= b.toColumn
	return after && before
}

// readCoverage reads a coverage profile of go test. All blocks of a file are
// listed under its name and a zero byte, and those that were run under its name.
func readCoverage(name string) (coverage, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c := make(coverage)
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ':')
		if at < 0 || strings.HasPrefix(line, "mode:") {
			continue
		}
		var b block
		var statements, times int
		if _, err := fmt.Sscanf(line[at+1:], "%d.%d,%d.%d %d %d", &b.fromLine, &b.fromColumn, &b.toLine, &b.toColumn, &statements, &times); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		file := line[:at]
		c[file+"\x00"] = append(c[file+"\x00"], b)
		if times > 0 {
			c[file] = append(c[file], b)
		}
	}
	return c, nil
}
