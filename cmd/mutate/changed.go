package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// changes are the lines that changed since a commit, by file. nil means all
// lines.
type changes map[string]map[int]bool

// of returns the changed lines of a file, or nil for all lines.
func (c changes) of(name string) map[int]bool {
	if c == nil {
		return nil
	}
	if c[name] == nil {
		return map[int]bool{}
	}
	return c[name]
}

// changedLines asks git which lines differ between a commit and the work tree.
func changedLines(base string) (changes, error) {
	if base == "" {
		return nil, nil
	}
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return nil, fmt.Errorf("git rev-parse: %w", err)
	}
	cmd := exec.Command("git", "diff", "--no-color", "--no-ext-diff", "--unified=0", "--no-prefix", base, "--", "*.go")
	cmd.Dir = strings.TrimSpace(string(top))
	diff, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git diff %s: %w", base, err)
	}
	return parseDiff(cmd.Dir, string(diff)), nil
}

// parseDiff reads a diff without context and without prefixes in file names.
func parseDiff(top, diff string) changes {
	c := make(changes)
	name := ""
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		if after, ok := strings.CutPrefix(line, "+++ "); ok {
			name = filepath.Join(top, filepath.FromSlash(after))
		}
		if !strings.HasPrefix(line, "@@ ") {
			continue
		}
		// @@ -first,count +first,count @@
		_, added, _ := strings.Cut(line, " +")
		added, _, _ = strings.Cut(added, " ")
		first, count, many := strings.Cut(added, ",")
		n := 1
		if many {
			n, _ = strconv.Atoi(count)
		}
		at, _ := strconv.Atoi(first)
		if c[name] == nil {
			c[name] = make(map[int]bool)
		}
		for i := range n {
			c[name][at+i] = true
		}
	}
	return c
}
