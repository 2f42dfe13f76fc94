package listening

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// listener is a row of the tables in /proc/net.
type listener struct {
	Address
	inode uint64 // of the socket, as /proc/PID/fd has it
}

// table is one in which the kernel tells who listens in this network namespace.
type table struct {
	path string
	read func(io.Reader) []listener
}

const tcpTable = "/proc/self/net/tcp"

// ports returns who listens at TCP ports, in any process. Each table takes the kernel
// some milliseconds: it looks for connections behind the listeners, also where there
// are none, in a table that grows with the machine's memory.
func ports() ([]listener, error) {
	return readTwice(table{tcpTable, readTCP}, table{"/proc/self/net/tcp6", readTCP})
}

// sockets returns who listens at Unix sockets, in any process.
func sockets() ([]listener, error) { return readTwice(table{"/proc/self/net/unix", readUnix}) }

// readTwice reads tables. The kernel gives one in pieces of a page. Where others begin
// and end between two of them, it gives a row twice, or leaves one out. So all is read
// twice, and a socket counts once.
func readTwice(tables ...table) ([]listener, error) {
	var all []listener
	known := make(map[uint64]bool)
	for range 2 {
		for _, table := range tables {
			f, err := os.Open(table.path)
			if os.IsNotExist(err) && table.path != tcpTable {
				continue // a kernel without IPv6
			}
			if err != nil {
				return nil, err
			}
			for _, l := range table.read(f) {
				if !known[l.inode] {
					known[l.inode] = true
					all = append(all, l)
				}
			}
			f.Close()
		}
	}
	return all, nil
}

// readTCP reads the listeners of /proc/net/tcp or tcp6, see proc_net(5). They
// come first, so that a busy machine's many connections are not read.
func readTCP(table io.Reader) []listener {
	const listens = "0A"
	var found []listener
	lines := bufio.NewScanner(table)
	lines.Scan() // the headings
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != listens {
			break
		}
		address, ok := parseTCP(f[1])
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if ok && err == nil {
			found = append(found, listener{Address{TCP: address}, inode})
		}
	}
	return found
}

// parseTCP reads "0100007F:1F90": words of four bytes, each as a number in the
// machine's order, and the port.
func parseTCP(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok && err == nil
}

// readUnix reads the listeners of /proc/net/unix that have a path in the file
// system.
func readUnix(table io.Reader) []listener {
	const accepts, stream = "00010000", "0001"
	var found []listener
	lines := bufio.NewScanner(table)
	lines.Scan()
	for lines.Scan() {
		// Num RefCount Protocol Flags Type St Inode Path
		f := strings.SplitN(strings.Join(strings.Fields(lines.Text()), " "), " ", 8)
		if len(f) < 8 || f[3] != accepts || f[4] != stream || strings.HasPrefix(f[7], "@") {
			continue
		}
		if inode, err := strconv.ParseUint(f[6], 10, 64); err == nil {
			found = append(found, listener{Address{Path: f[7]}, inode})
		}
	}
	return found
}

// inodesOf returns the sockets that a process has open.
func inodesOf(pid string) (map[uint64]bool, error) {
	folder := fmt.Sprintf("/proc/%s/fd", pid)
	names, err := readNames(folder)
	if err != nil {
		return nil, err
	}
	inodes := make(map[uint64]bool)
	for _, name := range names {
		target, err := os.Readlink(folder + "/" + name)
		if err != nil {
			continue // closed since
		}
		digits, ok := strings.CutPrefix(target, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 64); ok && err == nil {
			inodes[inode] = true
		}
	}
	return inodes, nil
}

func readNames(folder string) ([]string, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// ownersOf returns the processes that have each of some sockets open, as far as
// this user may see them.
func ownersOf(inodes []uint64) [][]int {
	owners := make([][]int, len(inodes))
	names, err := readNames("/proc")
	if err != nil {
		return owners
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		open, err := inodesOf(name)
		if err != nil {
			continue // it has ended, or is none of this user's
		}
		for i, inode := range inodes {
			if open[inode] {
				owners[i] = append(owners[i], pid)
			}
		}
	}
	return owners
}

// accepterOf connects to a Unix socket, and returns the process that listens
// there, 0 if it is not known. Nobody does if ok is false.
func accepterOf(path string) (pid int, ok bool) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, false
	}
	defer syscall.Close(fd)
	switch err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); {
	case errors.Is(err, syscall.EAGAIN):
		return 0, true // its queue is full
	case err != nil:
		return 0, false
	}
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return 0, true
	}
	return int(cred.Pid), true
}

// ownerOf returns the process that has a socket open, or 0 if this user may not
// see it.
func ownerOf(inode uint64) int {
	if owners := ownersOf([]uint64{inode})[0]; len(owners) > 0 {
		return owners[0]
	}
	return 0
}
