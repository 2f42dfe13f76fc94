package process

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestCPU(t *testing.T) {
	var usage syscall.Rusage
	for { // until there is something to tell
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		if usage.Utime.Nano()+usage.Stime.Nano() > int64(50*time.Millisecond) {
			break
		}
	}
	before := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	got, err := CPU(os.Getpid())
	if err != nil || got < before-20*time.Millisecond {
		t.Errorf("CPU is %s, %v; it was %s before", got, err, before)
	}
	if got, err := CPU(-1); err == nil {
		t.Errorf("of no process: %s", got)
	}
}

func TestMemory(t *testing.T) {
	now, err := Memory(os.Getpid(), "VmRSS")
	if err != nil || now < 1<<20 {
		t.Errorf("VmRSS is %d, %v", now, err)
	}
	if most, err := Memory(os.Getpid(), "VmHWM"); err != nil || most < now/2 {
		t.Errorf("VmHWM is %d, %v; VmRSS %d", most, err, now)
	}
	if got, err := Memory(os.Getpid(), "VmNone"); err == nil {
		t.Errorf("a line that is not there: %d", got)
	}
}
