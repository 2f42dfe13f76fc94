package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
)

// cpu returns the user and system time that the process has used, in steps of
// 10 ms.
func (g *gateway) cpu() (time.Duration, error) {
	text, err := os.ReadFile(g.proc("stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // its name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: %q has too few fields", g.proc("stat"), text)
	}
	const ticks = 100 // per second, on every Linux that Go runs on
	var sum int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", g.proc("stat"), err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// resident returns the bytes that the process has in memory, the pages of files
// among them.
func (g *gateway) resident() (int64, error) {
	field := strings.TrimSuffix(figures.FieldOf(g.proc("status"), "VmRSS"), " kB")
	n, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", g.proc("status"), err)
	}
	return n * 1024, nil
}

func (g *gateway) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", g.cmd.Process.Pid, name)
}
