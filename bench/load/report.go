package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
)

// columns are the figures of a row: first how many times those of its base they
// are, with quartiles, at the same moment or in the same round, and then medians
// over all rounds.
const columns = "| gateway | CPU per request, beside stock | CPU per request, of stock in turn | requests/s, of stock | p99, of stock | " +
	"CPU s per 100,000 | requests/s | p50 | p99 | resident |\n" +
	"|---|---|---|---|---|---|---|---|---|---|\n"

// printTable says what gateways answer where their rows say so, as all do or none.
func printTable(w io.Writer, rows []*row) error {
	var b strings.Builder
	head := columns
	if rows[0].answers != "" {
		head = strings.NewReplacer("| gateway |", "| gateway | answers |", "\n|", "\n|---|").Replace(head)
	}
	fmt.Fprintf(&b, "### %s; rounds: %d\n\n%s", figures.Machine(), len(rows[0].samples), head)
	for _, r := range rows {
		name := r.name
		if r.answers != "" {
			name += " | " + r.answers
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.2f | %.0f | %s | %s | %.0f MB |\n", name,
			r.beside(), r.times(sample.cpuSeconds), r.times(sample.rate), r.times(sample.slowest),
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
	_, median, _ := quartiles(r.values(of))
	return median
}

func (r *row) values(of func(sample) float64) []float64 {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = of(s)
	}
	return values
}

// times compares a figure with that of the base, round by round.
func (r *row) times(of func(sample) float64) string {
	if r.base == nil {
		return "1"
	}
	ratios := r.values(of)
	for i, stock := range r.base.values(of) {
		ratios[i] /= stock
	}
	return spread(ratios)
}

// beside is for the rows that were measured so.
func (r *row) beside() string {
	ratios := r.values(func(s sample) float64 { return s.beside })
	if ratios[0] == 0 {
		return "–"
	}
	return spread(ratios)
}

// spread returns the median and, in parentheses, the quartiles.
func spread(ratios []float64) string {
	first, median, third := quartiles(ratios)
	return fmt.Sprintf("%.3f (%.3f–%.3f)", median, first, third)
}
