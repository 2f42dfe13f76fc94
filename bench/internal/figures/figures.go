// Package figures writes what the measurements of bench have in common.
package figures

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Machine names processor, cores, system and Go as far as the system tells.
func Machine() string {
	names := []string{FieldOf("/proc/cpuinfo", "model name"), fmt.Sprintf("%d cores", runtime.NumCPU())}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		names = append(names, runtime.GOOS+" "+strings.TrimSpace(string(kernel)))
	} else {
		names = append(names, runtime.GOOS)
	}
	names = append(names, runtime.GOARCH, runtime.Version())
	return strings.Join(slices.DeleteFunc(names, func(s string) bool { return s == "" }), ", ")
}

// FieldOf returns the value of the first line "name : value" of a file, or "".
func FieldOf(path, name string) string {
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

// Short returns a duration with three digits.
func Short(d time.Duration) string {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
}
