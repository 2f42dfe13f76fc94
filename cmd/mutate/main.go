// Command mutate finds out which faults the tests of a package notice. It makes
// one small fault at a time (a mutant: a condition negated, a statement left out,
// a bound moved by one), runs the package's own tests on it, and lists the
// mutants that pass all of them.
//
//	go run ./cmd/mutate ./ratelimit
//	go run ./cmd/mutate -base HEAD^ ./...
//	go run ./cmd/mutate -again survivors.txt ./ratelimit
//
// The source tree is never written to: the go command reads the mutant through
// -overlay. A mutant is equivalent if nobody could see what it changes.
// Equivalent mutants are listed in docs/mutants.md, each with the reason, and do
// not count.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.base, "base", "", "only lines that were changed since this commit")
	flag.StringVar(&o.equivalent, "equivalent", "docs/mutants.md", "the `file` that lists equivalent mutants")
	flag.StringVar(&o.file, "file", "", "only files whose name contains this")
	flag.StringVar(&o.again, "again", "", "only mutants that this `output` of an earlier run lists as survivors")
	flag.StringVar(&o.tags, "tags", "", "build `tags` of the tests")
	flag.StringVar(&o.run, "run", "", "only tests that match this pattern, as for go test")
	flag.IntVar(&o.parallel, "parallel", runtime.GOMAXPROCS(0), "how many mutants run at once")
	flag.IntVar(&o.every, "every", 1, "of so many mutants only one")
	flag.DurationVar(&o.patience, "patience", 10*time.Second, "the least time limit of a mutant")
	flag.DurationVar(&o.limit, "for", 0, "begin no mutant after this `time`; 0: run all")
	least := flag.Float64("least", 0, "fail where fewer `percent` of the mutants are killed")
	list := flag.Bool("list", false, "list the mutants, and run none")
	flag.Parse()
	o.packages = flag.Args()
	if len(o.packages) == 0 {
		o.packages = []string{"."}
	}
	if err := mutate(os.Stdout, &o, *list, *least); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	packages   []string
	base       string
	equivalent string
	file       string
	again      string
	tags       string
	run        string
	parallel   int
	every      int
	patience   time.Duration
	limit      time.Duration
}

// mutate runs all mutants of the packages and writes the results.
func mutate(w io.Writer, o *options, list bool, least float64) error {
	packages, err := load(o)
	if err != nil {
		return err
	}
	known, err := readEquivalent(o.equivalent)
	if err != nil {
		return err
	}
	survivors, err := readSurvivors(o.again)
	if err != nil {
		return err
	}
	var end time.Time
	if o.limit > 0 {
		end = time.Now().Add(o.limit)
	}
	var all summary
	for _, p := range packages {
		mutants := chosen(p.mutants(), o, survivors)
		if list {
			for i := range mutants {
				if p.compiles(&mutants[i]) {
					fmt.Fprintln(w, &mutants[i])
				}
			}
			continue
		}
		sum, err := runAll(w, p, mutants, known, o, end)
		if err != nil {
			return err
		}
		if len(packages) > 1 && sum.mutants() > 0 {
			fmt.Fprintf(w, "%s: %s\n", p.path, &sum)
		}
		all.add(&sum)
	}
	if list {
		return nil
	}
	fmt.Fprintln(w, &all)
	if all.mutants() > 0 && all.killedPercent() < least {
		return fmt.Errorf("%.1f %% of the mutants are killed, and %.1f %% should be", all.killedPercent(), least)
	}
	return nil
}

// chosen returns every nth of the mutants, or of those that survived before if
// the options ask for that.
func chosen(mutants []mutant, o *options, survivors map[string]bool) []mutant {
	var some []mutant
	for _, m := range mutants {
		if survivors == nil || survivors[m.sign()] {
			some = append(some, m)
		}
	}
	if o.every <= 1 {
		return some
	}
	n := 0
	for i := 0; i < len(some); i += o.every {
		some[n] = some[i]
		n++
	}
	return some[:n]
}

// readSurvivors returns the mutants that an earlier run listed, or nil if there
// was none.
func readSurvivors(name string) (map[string]bool, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	all := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		for _, o := range []outcome{survived, uncovered} {
			if m, ok := strings.CutPrefix(line, o.String()+" "); ok {
				// file:line:column: what; the position may have changed since
				file, what, _ := strings.Cut(m, ": ")
				file, _, _ = strings.Cut(file, ":")
				all[file+": "+strings.TrimSpace(what)] = true
			}
		}
	}
	return all, nil
}
