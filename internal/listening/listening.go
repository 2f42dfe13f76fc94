// Package listening knows on which addresses this process and others of the
// machine listen. Caddy unlinks a Unix socket and shares a TCP port without a
// look at who has it. Two gateways then answer by turns, or one of them cannot be
// managed any more. [Check] finds the other process before that; a [Watch] notices
// it afterwards, and gives taken sockets their names back.
//
// All of this needs the files of Linux in /proc. On other systems nothing is
// found.
package listening

import (
	"fmt"
	"net/netip"

	"github.com/socialpatra/keygate/internal/processes"
)

// Address is where a process accepts connections: on a Unix socket, or on a TCP
// port.
type Address struct {
	Path string         // of a Unix socket; "" for TCP
	TCP  netip.AddrPort // with an unspecified address for all of the machine's; never IPv4 in IPv6
}

// String returns the path, or host and port.
func (a Address) String() string {
	if a.Path != "" {
		return a.Path
	}
	return a.TCP.String()
}

// meets reports whether a connection to one of two TCP addresses could end at the
// other: ports are equal, and so are the hosts unless one of them is any.
func (a Address) meets(other Address) bool {
	if a.Path != "" || other.Path != "" || a.TCP.Port() != other.TCP.Port() {
		return false
	}
	x, y := a.TCP.Addr(), other.TCP.Addr()
	switch {
	case x == y || x == netip.IPv6Unspecified() || y == netip.IPv6Unspecified():
		return true
	default: // 0.0.0.0 is every IPv4 address
		return x.Is4() == y.Is4() && (x.IsUnspecified() || y.IsUnspecified())
	}
}

// TakenError says that another process accepts connections at an address.
type TakenError struct {
	Address Address
	PID     int // 0 if it is not known
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is in use by %s", e.Address, processes.Name(e.PID))
}
