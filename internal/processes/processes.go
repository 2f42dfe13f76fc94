// Package processes names the processes of this machine, for messages that say
// who has what this one needs.
package processes

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Name returns how a process is called in messages: "process 123 (caddy)", "this
// process", or "another process" if pid is not positive, as it is for processes
// outside our PID namespace. It never has the command line, which may have a
// secret.
func Name(pid int) string {
	switch {
	case pid <= 0:
		return "another process"
	case pid == os.Getpid():
		return "this process"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, strings.Trim(strconv.QuoteToASCII(strings.TrimSpace(string(name))), `"`))
}
