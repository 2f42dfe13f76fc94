package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Group is a process and those that it has started, which do a part of its work:
// what they use is counted together, and they end together.
type Group struct {
	cmd  *exec.Cmd
	once sync.Once // a number of a process may be another's later
}

// Start starts a command as the first of a group of its own. Where the command's
// context ends, all of the group is killed.
func Start(cmd *exec.Cmd) (*Group, error) {
	g := &Group{cmd: cmd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = g.signal
	return g, cmd.Start()
}

// signal kills without a wait.
func (g *Group) signal() error { return syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) }

// Kill ends all of the group, and waits for the first of it.
func (g *Group) Kill() {
	g.once.Do(func() {
		_ = g.signal()   // may have ended
		_ = g.cmd.Wait() // how it ends is of no interest
	})
}

// CPU is the sum of what each has used.
func (g *Group) CPU() (sum time.Duration, err error) {
	members, err := g.Members()
	for _, pid := range members {
		used, failed := CPU(pid)
		sum, err = sum+used, cmp.Or(err, failed)
	}
	return sum, err
}

// Memory is the sum of a line of the status of each, as [Memory] returns it. Pages
// that they share count for each of them.
func (g *Group) Memory(line string) (sum int64, err error) {
	members, err := g.Members()
	for _, pid := range members {
		bytes, failed := Memory(pid, line)
		sum, err = sum+bytes, cmp.Or(err, failed)
	}
	return sum, err
}

// Members returns the processes that the group has now, which are never none. Those
// that have ended, and that nobody has waited for, use nothing more.
func (g *Group) Members() (pids []int, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		group, alive, err := groupOf(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if alive && group == g.cmd.Process.Pid {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("no process of %s is left", filepath.Base(g.cmd.Path))
	}
	return pids, nil
}

// groupOf returns the process group of a line of /proc/PID/stat.
func groupOf(stat string) (group int, alive bool, err error) {
	after := strings.LastIndex(stat, ") ") // its name may hold spaces and brackets
	fields := strings.Fields(stat[after+1:])
	if after < 0 || len(fields) < 3 {
		return 0, false, fmt.Errorf("%q has too few fields", stat)
	}
	group, err = strconv.Atoi(fields[2])
	return group, fields[0] != "Z", err
}
