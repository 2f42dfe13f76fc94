package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
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
	fmt.Fprintf(&b, "### %d keys on %s\n\n| measured | figure |\n|---|---|\n", r.keys, machine())
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// machine names processor, cores, system and Go as far as the system tells.
func machine() string {
	names := []string{fieldOf("/proc/cpuinfo", "model name"), fmt.Sprintf("%d cores", runtime.NumCPU())}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		names = append(names, runtime.GOOS+" "+strings.TrimSpace(string(kernel)))
	} else {
		names = append(names, runtime.GOOS)
	}
	names = append(names, runtime.GOARCH, runtime.Version())
	return strings.Join(slices.DeleteFunc(names, func(s string) bool { return s == "" }), ", ")
}

// fieldOf returns the value of the first line "name : value" of a file, or "".
func fieldOf(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// spread is the median and the maximum of how long something took.
func spread(took []time.Duration) string {
	slices.Sort(took)
	return fmt.Sprintf("%s p50, %s max", short(took[len(took)/2]), short(took[len(took)-1]))
}

// short returns a duration with three digits.
func short(d time.Duration) string {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
}

func megabytes(bytes int64) string { return fmt.Sprintf("%d MB", bytes/1e6) }
