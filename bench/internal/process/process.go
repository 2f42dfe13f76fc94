// Package process runs the gateways that are measured, and tells what they use.
package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
)

// CPU returns the user and system time that a process has used, in steps of
// 10 ms. It needs Linux, as does Memory.
func CPU(pid int) (time.Duration, error) {
	name := file(pid, "stat")
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // its name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: %q has too few fields", name, text)
	}
	const ticks = 100 // per second, on every Linux that Go runs on
	var sum int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// Memory returns a line of a process's status, in bytes: VmRSS is what it has
// now, the pages of files among it, which are RssFile, and VmHWM what it had at
// most.
func Memory(pid int, line string) (int64, error) {
	name := file(pid, "status")
	kB, err := strconv.ParseInt(strings.TrimSuffix(figures.FieldOf(name, line), " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %s: %w", name, line, err)
	}
	return kB * 1024, nil
}

func file(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }
