package process

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// family starts a shell that has a child, and returns the child's process as well.
func family(t *testing.T, ctx context.Context, script string) (g *Group, child int) {
	t.Helper()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if g, err = Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if child, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return g, child
}

// await fails where something does not come true.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// What workers use is a gateway's as well, and theirs alone.
func TestGroupCounts(t *testing.T) {
	g, child := family(t, t.Context(), `{ ulimit -t 60; while :; do :; done; } & echo $!; exec sleep 600`)
	const some = 100 * time.Millisecond
	await(t, "the child's time is not counted", func() bool {
		used, err := g.CPU()
		return err == nil && used >= some
	})
	if first, err := CPU(g.cmd.Process.Pid); err != nil || first >= some {
		t.Errorf("the first of the group has used %s, %v", first, err)
	}
	both, err := g.Memory("VmRSS")
	if err != nil {
		t.Fatal(err)
	}
	if one, err := Memory(child, "VmRSS"); err != nil || both <= one {
		t.Errorf("both have %d bytes, the child alone %d, %v", both, one, err)
	}
	members, err := g.Members()
	if err != nil || len(members) != 2 {
		t.Errorf("%v, %v", members, err)
	}
	for _, pid := range members {
		if pid == os.Getpid() {
			t.Error("the test's own process is one of the group")
		}
	}
}

// Neither the end of a group nor that of its context leaves a worker behind.
func TestGroupEnds(t *testing.T) {
	ended := func(child int) func() bool {
		return func() bool {
			text, err := os.ReadFile(file(child, "stat"))
			return err != nil || strings.Contains(string(text), ") Z ") // nobody may wait for it here
		}
	}
	t.Run("killed", func(t *testing.T) {
		g, child := family(t, t.Context(), `sleep 600 & echo $!; wait`)
		g.Kill()
		await(t, "the child runs on", ended(child))
		if got, err := g.CPU(); err == nil {
			t.Errorf("of no process: %s", got)
		}
		if got, err := g.Memory("VmRSS"); err == nil {
			t.Errorf("of no process: %d bytes", got)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g, child := family(t, ctx, `sleep 600 & echo $!; wait`)
		cancel()
		_ = g.cmd.Wait() // which calls Cancel
		await(t, "the child runs on", ended(child))
	})
}

func TestGroupOf(t *testing.T) {
	for name, test := range map[string]struct {
		stat string
		want int // 0: an error
		dead bool
	}{
		"plain":    {"7 (nginx) S 1 42 42 0", 42, false},
		"brackets": {"7 (a) 5 (b) c) S 1 42 42 0", 42, false},
		"ended":    {"7 (nginx) Z 1 42 42 0", 42, true},
		"cut":      {"7 (nginx) S 1", 0, true},
		"unnamed":  {"7 S 1 42 42", 0, true},
		"words":    {"7 (nginx) S 1 x", 0, true},
		"nothing":  {"", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, alive, err := groupOf(test.stat)
			if got != test.want || (err == nil) != (test.want != 0) || err == nil && alive == test.dead {
				t.Errorf("%d, alive: %t, %v", got, alive, err)
			}
		})
	}
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := groupOf(string(own)); err != nil || got != syscall.Getpgrp() {
		t.Errorf("%d, %v; this process is of %d", got, err, syscall.Getpgrp())
	}
}
