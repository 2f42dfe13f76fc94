package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
)

// report is the table: what was measured, and the figure.
type report struct {
	keys int
	rows [][2]string
}

// add also tells on stderr, for whoever waits.
func (r *report) add(what, format string, args ...any) {
	figure := fmt.Sprintf(format, args...)
	fmt.Fprintf(os.Stderr, "%s: %s\n", what, figure)
	r.rows = append(r.rows, [2]string{what, figure})
}

func (r *report) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %d keys on %s\n\n| measured | figure |\n|---|---|\n", r.keys, figures.Machine())
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// spread is the median and the maximum of how long something took.
func spread(took []time.Duration) string {
	slices.Sort(took)
	return fmt.Sprintf("%s p50, %s max", figures.Short(took[len(took)/2]), figures.Short(took[len(took)-1]))
}

func megabytes(bytes int64) string { return fmt.Sprintf("%d MB", bytes/1e6) }
