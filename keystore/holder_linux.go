package keystore

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/socialpatra/keygate/internal/processes"
)

// lockHolder names the process that holds the lock on a file. It returns "" if
// that is not known.
func lockHolder(info fs.FileInfo) string {
	pid, _, err := lockOn(info)
	switch {
	case err != nil, pid == 0:
		return ""
	}
	return processes.Name(pid)
}

// lockHolderOf is [LockHolder] on this system.
func lockHolderOf(path string) (pid int, held bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false, err
	}
	return lockOn(info)
}

// lockOn returns the process that holds the lock on a file, if one does: 0 for
// one outside our PID namespace.
func lockOn(info fs.FileInfo) (pid int, held bool, err error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false, errors.New("the file has no inode")
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	pid, held = lockPID(f, deviceName(uint64(stat.Dev)), stat.Ino) //nolint:unconvert // uint32 on some systems
	return max(pid, 0), held, nil
}

// lockPID returns the process that holds a lock on a file, from a list in the
// form of /proc/locks, see proc_locks(5). Some file systems report another
// device there than stat does. Then the inode alone decides.
func lockPID(locks io.Reader, device string, inode uint64) (found int, held bool) {
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK ADVISORY WRITE 1234 fe:00:9978084 0 EOF
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		onDevice, ok := strings.CutSuffix(f[5], ":"+strconv.FormatUint(inode, 10))
		if !ok {
			continue
		}
		pid, err := strconv.Atoi(f[4])
		if err != nil {
			continue
		}
		if onDevice == device {
			return pid, true
		}
		found, held = pid, true
	}
	return found, held
}

// deviceName returns major:minor in the form of /proc/locks. The bits are laid
// out as in glibc's gnu_dev_major and gnu_dev_minor.
func deviceName(dev uint64) string {
	major := dev>>8&0xfff | dev>>32&^0xfff
	minor := dev&0xff | dev>>12&^0xff
	return fmt.Sprintf("%02x:%02x", uint32(major), uint32(minor))
}
