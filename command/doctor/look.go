package doctor

import (
	"cmp"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/internal/listening"
	"github.com/socialpatra/keygate/keystore"
)

// dialTimeout is how long a socket may take to accept.
const dialTimeout = 5 * time.Second

// Look adds to a gateway what this machine tells of it.
func Look(g Gateway) *Facts {
	f := &Facts{Gateway: g, Elsewhere: isElsewhere(g.Admin)}
	f.lookAtSocket()
	if f.Elsewhere {
		f.lookAtBackups()
		return f
	}
	answering := f.answering()
	f.lookAtStore(answering)
	pid := answering
	if pid == 0 && f.Store.Held {
		pid = f.Store.Holder.PID
	}
	if pid != 0 {
		f.Process = processOf(pid)
	}
	f.Ports, f.PortsErr = find(f.Listen)
	f.lookAtFiles()
	f.lookAtBackups()
	return f
}

// isElsewhere reports whether an admin endpoint is on another machine. A name is
// not looked up.
func isElsewhere(a Admin) bool {
	if a.Network == "unix" || a.Name == "" {
		return false
	}
	host, _, err := net.SplitHostPort(a.Host)
	if own, nameErr := os.Hostname(); err != nil || host == "" || host == "localhost" || nameErr == nil && host == own {
		return false
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return !strings.HasSuffix(host, ".localhost")
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		return false
	}
	own, err := net.InterfaceAddrs()
	return err == nil && !slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip)
	})
}

func (f *Facts) lookAtSocket() {
	if f.Admin.Network != "unix" {
		return
	}
	f.Socket.Path = f.Admin.Host
	info, err := os.Stat(f.Socket.Path)
	if f.Socket.Err = err; err == nil {
		f.Socket.Mode = info.Mode()
	}
	conn, err := net.DialTimeout("unix", f.Socket.Path, dialTimeout)
	if f.Socket.DialErr = err; err == nil {
		conn.Close()
	}
	if second := listening.SecondName(f.Socket.Path); listening.Accepter(second) != 0 {
		f.Socket.Second = second
	}
}

// answering returns the process at the admin endpoint, 0 if it cannot be told.
func (f *Facts) answering() int {
	if f.Socket.Path != "" {
		return listening.Accepter(f.Socket.Path)
	}
	host, port, err := net.SplitHostPort(f.Admin.Host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		return 0
	}
	f.AdminAt, _ = find(listening.TCP(host, uint(number)))
	if len(f.AdminAt) == 0 || len(f.AdminAt[0].By) == 0 {
		return 0
	}
	return f.AdminAt[0].By[0].PID
}

// find returns who listens at addresses.
func find(addresses []listening.Address) ([]Listener, error) {
	sockets, err := listening.Find(addresses)
	found := make([]Listener, len(sockets))
	for i, socket := range sockets {
		found[i].At = socket.Address
		for _, pid := range socket.PIDs {
			found[i].By = append(found[i].By, processOf(pid))
		}
	}
	return found, err
}

func (f *Facts) lookAtStore(answering int) {
	if f.Fleet || f.StorePath == "" {
		return
	}
	s := &f.Store
	s.Path = f.StorePath
	if !filepath.IsAbs(s.Path) {
		folder, err := os.Getwd() // where a gateway would be started by hand
		if answering != 0 || f.Admin.Answers {
			folder, err = workingFolder(answering)
		}
		if err != nil {
			s.Path = ""
			return
		}
		s.Path = filepath.Join(folder, s.Path)
	}
	info, err := os.Lstat(s.Path)
	if s.Err = err; err == nil {
		s.Size, s.Changed = info.Size(), info.ModTime()
		s.BadPath = keystore.CheckPath(s.Path)
		s.Holder.PID, s.Held, s.LockErr = keystore.LockHolder(s.Path)
	}
	if answering != 0 {
		s.Open = openedBy(answering, s.Path, info)
	}
	if s.Held && s.Holder.PID != 0 {
		// Some file systems report their locks for another device. Then a lock
		// on a file with the same number elsewhere looks like one on this.
		if how := openedBy(s.Holder.PID, s.Path, info); how == openOther || how == openDeleted {
			s.Holder, s.Held = Process{}, false
		} else {
			s.Holder = processOf(s.Holder.PID)
		}
	}
	if err == nil && s.BadPath == nil && !s.Held && !f.Admin.Answers {
		s.Glance, s.Unopened = keystore.GlanceAt(s.Path)
	}
	if s.Glance != nil {
		f.Admin.Newest, f.Admin.Schema = s.Glance.Newest, int(s.Glance.Schema)
	}
	f.Disk, f.DiskErr = diskOf(filepath.Dir(s.Path))
}

// besideMost is how many files beside the store are looked at.
const besideMost = 1000

func (f *Facts) lookAtFiles() {
	if path := f.Store.Path; path != "" {
		f.add(path, useStore)
		folder := filepath.Dir(path)
		f.add(folder, useFolder)
		entries, _ := os.ReadDir(folder)
		for _, e := range entries[:min(len(entries), besideMost)] {
			if other := filepath.Join(folder, e.Name()); e.Type().IsRegular() && other != path && mayHoldKeys(other, filepath.Base(path)) {
				f.add(other, useBeside)
			}
		}
	}
	if f.Socket.Path != "" {
		f.add(filepath.Dir(f.Socket.Path), useSocket)
	}
	for _, path := range f.Config.Trusted {
		f.add(path, useConfig)
	}
	for _, path := range f.Config.Secrets {
		f.add(path, useSecret)
	}
}

// mayHoldKeys reports whether a file is, or was, a store.
func mayHoldKeys(path, store string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(strings.TrimPrefix(name, "."), store) || slices.Contains([]string{".db", ".bak", ".old", ".jsonl"}, filepath.Ext(name))
}

func (f *Facts) add(path string, as use) *File {
	file := &File{Path: path, Use: as, UID: -1, GID: -1}
	info, err := os.Stat(path)
	if file.Err = err; err == nil {
		file.Mode, file.ModTime = info.Mode(), info.ModTime()
		file.UID, file.GID = ownersOf(info)
		file.Private = isPrivate(path)
	}
	f.Files = append(f.Files, *file)
	return file
}

// isPrivate reports whether a folder on the way to a path lets nobody in but its
// owner and group.
func isPrivate(path string) bool {
	const others = 0o001
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err == nil && info.Mode().Perm()&others == 0 {
			return true
		}
		if folder == filepath.Dir(folder) {
			return false
		}
	}
}

// lookAtBackups finds the newest file in the folder of backups, and reads it
// whole.
func (f *Facts) lookAtBackups() {
	if f.Backups == "" {
		return
	}
	entries, err := os.ReadDir(f.Backups)
	if f.BackupErr = err; err != nil {
		return
	}
	var newest fs.DirEntry
	var at time.Time
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") || !isBackup(filepath.Join(f.Backups, e.Name())) {
			continue
		}
		if newest == nil || info.ModTime().After(at) || info.ModTime().Equal(at) && cmp.Less(newest.Name(), e.Name()) {
			newest, at = e, info.ModTime()
		}
	}
	if newest == nil {
		return
	}
	f.add(f.Backups, useBackups)
	path := filepath.Join(f.Backups, newest.Name())
	f.Backup = f.add(path, useBackup)
	_, f.BackupBad = keystore.VerifyFile(path)
	if errors.Is(f.BackupBad, keystore.ErrInUse) { // such as by another check of it
		f.BackupBad = nil
	}
}

// isBackup goes by the name, so that one that was cut short is found as well, and
// otherwise by what is in it.
func isBackup(path string) bool {
	return slices.Contains([]string{".db", ".bak"}, filepath.Ext(path)) || keystore.CheckPath(path) == nil
}
