package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
)

// columns are the figures of a row: first how many times those of the first row
// in the same round they are, with quartiles, then medians over all rounds.
const columns = "| gateway | CPU per request, of stock | requests/s, of stock | p99, of stock | CPU s per 100,000 | requests/s | p50 | p99 | resident |\n" +
	"|---|---|---|---|---|---|---|---|---|\n"

func printTable(w io.Writer, rows []*row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s; rounds: %d\n\n%s", figures.Machine(), len(rows[0].samples), columns)
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f | %.0f | %s | %s | %.0f MB |\n", r.name,
			r.times(rows[0], sample.cpuSeconds), r.times(rows[0], sample.rate), r.times(rows[0], sample.slowest),
			1e5*r.median(sample.cpuSeconds), r.median(sample.rate),
			figures.Short(time.Duration(r.median(sample.usual))), figures.Short(time.Duration(r.median(sample.slowest))), r.median(sample.bytes)/1e6)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s sample) cpuSeconds() float64 { return s.cpu.Seconds() }
func (s sample) rate() float64       { return s.perSecond }
func (s sample) usual() float64      { return float64(s.p50) }
func (s sample) slowest() float64    { return float64(s.p99) }
func (s sample) bytes() float64      { return float64(s.resident) }

func (r *row) median(of func(sample) float64) float64 {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = of(s)
	}
	_, median, _ := quartiles(values)
	return median
}

// times compares a figure with that of the base, round by round.
func (r *row) times(base *row, of func(sample) float64) string {
	if r == base {
		return "1"
	}
	ratios := make([]float64, len(r.samples))
	for i := range ratios {
		ratios[i] = of(r.samples[i]) / of(base.samples[i])
	}
	first, median, third := quartiles(ratios)
	return fmt.Sprintf("%.3f (%.3f–%.3f)", median, first, third)
}
