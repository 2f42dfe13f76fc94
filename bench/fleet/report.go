package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/socialpatra/keygate/bench/internal/figures"
)

// report is the table.
type report struct{ rows []string }

const columns = "operation | gateways | callers | p50 | p99 | operations/s | engine CPU per operation | calls per operation | operations per engine-CPU second"

// add also tells on stderr, for whoever waits.
func (r *report) add(what string, gateways, callers int, o *outcome) {
	ops := float64(o.ops)
	perCore := "-"
	if cpu := o.cost.cpu.Seconds(); cpu > 0 && o.cost.calls > o.ops/10_000 {
		perCore = digits(ops / cpu)
	}
	r.row(what, gateways, callers, &o.each, fmt.Sprintf("%s | %.3gµs | %.3g | %s",
		digits(ops/o.took.Seconds()), o.cost.cpu.Seconds()*1e6/ops, float64(o.cost.calls)/ops, perCore))
}

// addTimes is about what is rare: neither how many there can be nor what they
// cost the engine is told.
func (r *report) addTimes(what string, gateways int, each *histogram) {
	r.row(what, gateways, 1, each, "- | - | - | -")
}

func (r *report) row(what string, gateways, callers int, each *histogram, rest string) {
	line := fmt.Sprintf("| %s | %d | %d | %s | %s | %s |", what, gateways, callers,
		figures.Short(each.quantile(0.5)), figures.Short(each.quantile(0.99)), rest)
	fmt.Fprintln(os.Stderr, line)
	r.rows = append(r.rows, line)
}

func (r *report) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "### A fleet on %s\n\n| %s |\n|%s\n%s\n", figures.Machine(), columns,
		strings.Repeat("---|", strings.Count(columns, "|")+1), strings.Join(r.rows, "\n"))
	return err
}

// digits returns a number of at least 1 with three digits, in thousands where
// it is larger.
func digits(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.3gM", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.3gk", n/1e3)
	default:
		return fmt.Sprintf("%.3g", n)
	}
}
