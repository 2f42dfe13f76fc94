package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/command/term"
)

// Bits of a mode.
const (
	anyReads    = 0o004
	anyWrites   = 0o002
	groupWrites = 0o020
)

// checkPermissions asks who else may read what is private and write what is
// trusted, and whether the gateway may use its own.
func checkPermissions(f *Facts) lines {
	if runtime.GOOS == "windows" {
		return skipped("look at the properties of the store and its folder", "Windows has no such modes")
	}
	var found lines
	looked, unseen := 0, 0
	// In a container of its own there is no other user, and often no right to
	// change a mode.
	alone := f.Process.PID == 1
	for i := range f.Files {
		file := &f.Files[i]
		switch {
		case errors.Is(file.Err, fs.ErrNotExist):
		case file.Err != nil:
			unseen++
		default:
			looked++
			if !alone {
				f.judgeFile(file, &found)
			}
			if file.Use == useStore {
				f.judgeOwner(file, &found)
			}
		}
	}
	switch {
	case len(found) > 0:
		return found
	case unseen > 0:
		return skipped(asRoot, "%d of the gateway's files may not be looked at by this user", unseen)
	case looked == 0:
		return skipped("name the config with --config", "no file of the gateway is known")
	case alone:
		return ok("nobody else is in the container of the gateway, and the store is its own")
	default:
		return ok("nobody else can read or change the %d files and folders that count", looked)
	}
}

func (f *Facts) judgeFile(file *File, found *lines) {
	path, mode := Quote(file.Path), file.Mode.Perm()
	writable := mode&anyWrites != 0 || mode&groupWrites != 0 && !f.isOwnGroup(file)
	if file.Mode.IsDir() && file.Mode&fs.ModeSticky != 0 {
		writable = false // nobody can replace the files of others
	}
	switch file.Use {
	case useFolder, useSocket, useBackups:
		if writable {
			found.fail("chmod go-w "+path, "others can replace what is in %s, %s (mode %04o)", file.Path, file.Use, mode)
		}
	case useConfig:
		if writable {
			found.fail("see that nobody changed it, then chmod go-w "+path, "%s can be changed by others (mode %04o), and with it who needs which key", file.Path, mode)
		}
	case useStore, useBeside, useBackup, useSecret:
		if mode&(anyWrites|groupWrites) != 0 { // which keeps a store from being opened
			found.fail("see that nobody changed it, then chmod 600 "+path, "%s, %s, can be changed by others (mode %04o)", file.Path, file.Use, mode)
		} else if mode&anyReads != 0 && !file.Private {
			found.fail("chmod o-r "+path, "%s, %s, can be read by every user of this machine (mode %04o)", file.Path, file.Use, mode)
		}
	}
}

// isOwnGroup reports whether a file has the group of the gateway, or if that is
// not known, one that has the number of its owner: then nobody else is in it.
func (f *Facts) isOwnGroup(file *File) bool {
	if f.Process.PID != 0 && f.Process.GID >= 0 {
		return file.GID == f.Process.GID
	}
	return file.GID == file.UID
}

// judgeOwner asks whether the gateway, which opens its store again at its next
// start, may do so: a restore by root takes that away. The gateway is the process
// that runs, or else whoever owns the folder.
func (f *Facts) judgeOwner(file *File, found *lines) {
	uid := -1
	if folder := f.file(useFolder); folder != nil && folder.Err == nil {
		uid = folder.UID
	}
	if f.Process.PID != 0 && f.Process.UID >= 0 {
		uid = f.Process.UID
	}
	if uid > 0 && file.UID >= 0 && file.UID != uid {
		found.fail("chown "+userName(uid)+": "+Quote(file.Path), "%s belongs to %s, and the gateway runs as %s, which cannot open it at its next start", file.Path, userName(file.UID), userName(uid))
	}
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// What a disk needs besides a copy of the store, and how few files may be left to
// make.
const (
	growth      = 2 << 20
	fewestFiles = 16
)

// elsewhereTypes are file systems whose files another machine may change.
var elsewhereTypes = []string{"nfs", "cifs", "smb", "9p", "afs", "ncp", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "glusterfs"}

// checkDisk asks whether there is room for a change and for a copy, which a backup
// and a compaction make.
func checkDisk(f *Facts) lines {
	folder := filepath.Dir(f.Store.Path)
	if f.DiskErr != nil {
		return skipped("df -h "+Quote(folder), "the disk of %s cannot be looked at: %v", folder, f.DiskErr)
	}
	d := &f.Disk
	var found lines
	if d.ReadOnly {
		found.fail("dmesg | tail; mount -o remount,rw $(findmnt -no TARGET -T "+Quote(folder)+")", "the file system of %s is read only: no key can be changed", folder)
	}
	if need := uint64(f.Store.Size) + growth; d.Free < need {
		found.fail("df -h "+Quote(folder)+", and free some space", "%s are free at %s, and a copy of the store takes %s", size(d.Free), folder, size(need))
	}
	if d.Inodes < fewestFiles {
		found.fail("df -i "+Quote(folder)+", and delete files", "%d more files can be made at %s", d.Inodes, folder)
	}
	for _, name := range elsewhereTypes {
		if d.Type == name || strings.HasPrefix(d.Type, name) && !strings.HasPrefix(name, "fuse.") && len(d.Type) == len(name)+1 {
			found.fail("move the store to a disk of this machine, as in \"Move to another machine\" of docs/operators.md", "%s is on a network file system (%s), which does not promise locks and an fsync that hold", folder, d.Type)
			break
		}
	}
	if err := f.Store.Err; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return append(found, skipped(asRoot, "how large the store is, is not known: %v", err)...)
	}
	files := ""
	if d.Inodes != math.MaxUint64 {
		files = fmt.Sprintf(" and room for %d files", d.Inodes)
	}
	return found.or(ok("%s are free at %s%s", size(d.Free), folder, files))
}

func size(n uint64) string { return term.Megabytes(int64(min(n, math.MaxInt64))) }
