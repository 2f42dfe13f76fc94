package doctor

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// processOf tells what is known of a process: of one that cannot be seen, its
// number.
func processOf(pid int) Process {
	p := Process{PID: pid, UID: -1, GID: -1}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
		p.Name = strings.TrimSpace(string(name))
	}
	if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		p.UID, p.GID = ownersOf(info)
	}
	return p
}

// workingFolder returns the folder of a process that relative paths begin at.
func workingFolder(pid int) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
}

// listenerOf returns the process that accepts connections to a Unix socket. It
// connects to it, and sends nothing.
func listenerOf(path string) (int, error) {
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var peerErr error
	if err := raw.Control(func(fd uintptr) {
		peer, peerErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if peerErr != nil {
		return 0, peerErr
	}
	return int(peer.Pid), nil
}

// listeners returns the TCP sockets that wait for connections in the network
// namespace of a process, or with 0, in that of this one.
func listeners(pid int) ([]Listener, error) {
	of := "self"
	if pid != 0 {
		of = strconv.Itoa(pid)
	}
	var found []Listener
	inodes := make(map[string]int) // index in found
	for _, table := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join("/proc", of, "net", table))
		if errors.Is(err, fs.ErrNotExist) && table == "tcp6" {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if at, inode, ok := parseListener(lines.Text()); ok {
				inodes["socket:["+inode+"]"] = len(found)
				found = append(found, Listener{At: at})
			}
		}
		file.Close()
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*") // only a bad pattern is an error
	for _, descriptor := range descriptors {
		target, err := os.Readlink(descriptor)
		if err != nil {
			continue // closed since, or of a process that this user may not see
		}
		if i, ok := inodes[target]; ok {
			pid, _ := strconv.Atoi(strings.Split(descriptor, "/")[2])
			if !slices.ContainsFunc(found[i].By, func(p Process) bool { return p.PID == pid }) {
				found[i].By = append(found[i].By, processOf(pid))
			}
		}
	}
	return found, nil
}

// parseListener reads a line of /proc/net/tcp or tcp6, see proc_pid_net(5). The
// words of an address are in the order of the machine.
func parseListener(line string) (at netip.AddrPort, inode string, ok bool) {
	const listening = "0A"
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != listening {
		return at, "", false
	}
	host, port, _ := strings.Cut(f[1], ":")
	number, err := strconv.ParseUint(port, 16, 16)
	bytes, hexErr := hex.DecodeString(host)
	if err != nil || hexErr != nil || len(bytes)%4 != 0 {
		return at, "", false
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		for i := 0; i < len(bytes); i += 4 {
			slices.Reverse(bytes[i : i+4])
		}
	}
	address, ok := netip.AddrFromSlice(bytes)
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), f[9], ok
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
