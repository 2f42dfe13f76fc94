package keystore

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLockPID(t *testing.T) {
	const locks = `1: FLOCK  ADVISORY  WRITE 101 fe:00:77 0 EOF
1: -> FLOCK  ADVISORY  WRITE 102 fe:00:78 0 EOF
2: POSIX  ADVISORY  WRITE 103 fe:00:79 0 EOF
3: FLOCK  ADVISORY  WRITE 104 08:01:80 0 EOF
4: FLOCK  ADVISORY  WRITE 105 fe:00:80 0 EOF
5: FLOCK  ADVISORY  WRITE 106 00:2a:81 0 EOF
6: FLOCK  ADVISORY  WRITE x fe:00:82 0 EOF
7: FLOCK
8: FLOCK  ADVISORY  WRITE -1 fe:00:83 0 EOF
`
	for _, tt := range []struct {
		name  string
		inode uint64
		want  int
	}{
		{"the only lock", 77, 101},
		{"a waiting process", 78, 0},
		{"another kind of lock", 79, 0},
		{"the same inode elsewhere", 80, 105},
		{"reported for another device", 81, 106},
		{"no number", 82, 0},
		{"no lock", 7, 0},
		{"a process elsewhere", 83, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, held := lockPID(strings.NewReader(locks), "fe:00", tt.inode)
			if got != tt.want || held != (tt.want != 0) {
				t.Errorf("process %d, held %t; want %d", got, held, tt.want)
			}
		})
	}
}

func TestDeviceName(t *testing.T) {
	for dev, want := range map[uint64]string{
		0xfe00:         "fe:00",
		0x0801:         "08:01",
		0x1000123abc45: "1abc:12345",
	} {
		if got := deviceName(dev); got != want {
			t.Errorf("device %#x is %s; want %s", dev, got, want)
		}
	}
}

func TestOpenRefusesPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keygate.db")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenBolt(path) // must not wait for somebody to write
	if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("opened a pipe: %v", err)
	}
}
