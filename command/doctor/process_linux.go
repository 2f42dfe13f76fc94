package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/socialpatra/keygate/internal/processes"
)

// processOf tells what is known of a process: of one that cannot be seen, its
// number.
func processOf(pid int) Process {
	p := Process{PID: pid, Name: processes.Name(pid), UID: -1, GID: -1}
	if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		p.UID, p.GID = ownersOf(info)
	}
	return p
}

// workingFolder returns the folder of a process that relative paths begin at.
func workingFolder(pid int) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
}

// openedBy tells whether a process has the file at path open.
func openedBy(pid int, path string, info fs.FileInfo) opening {
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return openUnknown
	}
	found := openOther
	for _, d := range descriptors {
		descriptor := fmt.Sprintf("/proc/%d/fd/%s", pid, d.Name())
		target, err := os.Readlink(descriptor)
		if err != nil {
			continue
		}
		if opened, err := os.Stat(descriptor); err == nil && info != nil && os.SameFile(opened, info) {
			return openThis
		}
		// The kernel adds the mark. A file that a restore has replaced has one of
		// its other names, unless that was removed as well.
		if strings.HasPrefix(target, path) && strings.Contains(target, "(deleted)") {
			found = openDeleted
		}
	}
	return found
}

// ownersOf returns the user and the group of a file, -1 if they are not known.
func ownersOf(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return -1, -1
}
