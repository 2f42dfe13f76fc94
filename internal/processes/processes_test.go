package processes

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func TestName(t *testing.T) {
	for pid, want := range map[int]string{
		0:           "another process",
		-1:          "another process",
		os.Getpid(): "this process",
		1 << 30:     "process 1073741824", // there is none
	} {
		if got := Name(pid); got != want {
			t.Errorf("%d is %s, want %s", pid, got, want)
		}
	}
}

// A name is what its owner has made it, so it is escaped. Arguments are not shown.
func TestNameOfAnother(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("this system does not tell names")
		return
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), "a\x1b\"ü")
	if err := os.Symlink(sleep, odd); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), odd, "600")
	cmd.Args[0] = "sleep" // by which it finds itself where one program is many
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	want := "process " + strconv.Itoa(cmd.Process.Pid) + ` (a\x1b\"\u00fc)`
	got := Name(cmd.Process.Pid)
	// Linux lets Start return a moment before it gives the process its new name.
	for end := time.Now().Add(time.Minute); got != want && time.Now().Before(end); got = Name(cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	if got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}
