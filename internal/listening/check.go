package listening

import (
	"net"
	"net/netip"
	"os"
	"strconv"
)

// Check returns a [*TakenError] for the first of the addresses at which another
// process accepts connections. It returns nil if there is none, and also where
// the system does not tell.
func Check(addresses []Address) error {
	all, err := listeners()
	if err != nil {
		return nil //nolint:nilerr // nothing is known
	}
	all, own, err := ownOf(all)
	if err != nil {
		return nil //nolint:nilerr // nothing is known
	}
	for _, address := range addresses {
		if taken := takenBy(address, all, own); taken != nil {
			return taken
		}
	}
	return nil
}

// listeners returns who listens, in any process.
func listeners() ([]listener, error) {
	atPorts, err := ports()
	if err != nil {
		return nil, err
	}
	atSockets, err := sockets()
	return append(atPorts, atSockets...), err
}

// ownOf returns the sockets that this process has open in own. In stay it returns the
// listeners of all that still listen afterwards. One that was closed meanwhile is left
// out, because nobody can tell whether it was of this process, which closes sockets
// when it loads another config.
func ownOf(all []listener) (stay []listener, own map[uint64]bool, err error) {
	own, err = inodesOf("self")
	if err != nil {
		return nil, nil, err
	}
	again, err := listeners()
	if err != nil {
		return nil, nil, err
	}
	still := inodes(again)
	for _, l := range all {
		if still[l.inode] {
			stay = append(stay, l)
		}
	}
	return stay, own, nil
}

func inodes(all []listener) map[uint64]bool {
	set := make(map[uint64]bool, len(all))
	for _, l := range all {
		set[l.inode] = true
	}
	return set
}

// takenBy finds the other process that accepts connections at an address.
func takenBy(address Address, all []listener, own map[uint64]bool) *TakenError {
	if address.Path != "" {
		if pid, ok := accepterOf(address.Path); ok && pid != os.Getpid() {
			return &TakenError{address, pid}
		}
		return nil
	}
	for _, other := range all {
		if !own[other.inode] && address.meets(other.Address) {
			return &TakenError{address, ownerOf(other.inode)}
		}
	}
	return nil
}

// TCP returns the addresses of a host and a port, which a process that listens
// there gets. An empty host is all of the machine's addresses.
func TCP(host string, port uint) []Address {
	if port == 0 || port > 65535 { // 0: any free port
		return nil
	}
	if host == "" {
		return []Address{{TCP: netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))}}
	}
	found, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10)))
	if err != nil {
		return nil
	}
	at := found.AddrPort()
	return []Address{{TCP: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}}
}
