package doctor

import (
	"math"
	"os"
	"strings"
	"syscall"
)

// diskOf tells what file system a folder is on.
func diskOf(folder string) (Disk, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return Disk{}, err
	}
	const readOnly = 1 // ST_RDONLY of statfs(2)
	d := Disk{Free: stat.Bavail * uint64(stat.Bsize), Inodes: stat.Ffree, ReadOnly: stat.Flags&readOnly != 0}
	if stat.Files == 0 {
		d.Inodes = math.MaxUint64 // such as btrfs, which makes them as they are needed
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		d.Type = mountType(string(mounts), folder)
	}
	return d, nil
}

// mountType returns the type of the file system that has a folder, from a list in
// the form of /proc/self/mountinfo, see proc_pid_mountinfo(5).
func mountType(mounts, folder string) string {
	longest, found := -1, ""
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f, types := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(types) == 0 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(f[4])
		// Of several on one point, the last is on top.
		if below(folder, point) && len(point) >= longest {
			longest, found = len(point), types[0]
		}
	}
	return found
}

func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}
