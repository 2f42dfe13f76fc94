package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
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
		short(each.quantile(0.5)), short(each.quantile(0.99)), rest)
	fmt.Fprintln(os.Stderr, line)
	r.rows = append(r.rows, line)
}

func (r *report) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "### A fleet on %s\n\n| %s |\n|%s\n%s\n", machine(), columns,
		strings.Repeat("---|", strings.Count(columns, "|")+1), strings.Join(r.rows, "\n"))
	return err
}

// machine names processor, cores, system and Go as far as the system tells.
func machine() string {
	names := []string{fmt.Sprintf("%d cores", runtime.NumCPU()), runtime.GOOS, runtime.GOARCH, runtime.Version()}
	text, _ := os.ReadFile("/proc/cpuinfo") // Linux alone has it
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.Join(append([]string{strings.TrimSpace(value)}, names...), ", ")
		}
	}
	return strings.Join(names, ", ")
}

// short returns a duration with three digits.
func short(d time.Duration) string {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
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
