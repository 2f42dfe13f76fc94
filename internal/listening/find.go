package listening

// Socket is one that accepts TCP connections.
type Socket struct {
	Address
	PIDs []int // the processes that have it open; empty if this user may not see them
}

// Find returns all sockets that accept TCP connections at the addresses, also those
// of this process. Where processes share a port, there are several. The error says
// why nothing is known.
func Find(addresses []Address) ([]Socket, error) {
	all, err := listeners()
	if err != nil {
		return nil, err
	}
	var found []Socket
	var inodes []uint64
	for _, l := range all {
		for _, address := range addresses {
			if address.meets(l.Address) {
				found, inodes = append(found, Socket{Address: l.Address}), append(inodes, l.inode)
				break
			}
		}
	}
	for i, pids := range ownersOf(inodes) {
		found[i].PIDs = pids
	}
	return found, nil
}

// Accepter returns the process that accepts connections at a Unix socket: 0 if it
// is not known. It connects, and sends nothing.
func Accepter(path string) int {
	pid, _ := accepterOf(path)
	return pid
}

// SecondName returns the path at which a gateway can be managed while another
// process has taken its admin socket away.
func SecondName(path string) string { return path + secondName }
