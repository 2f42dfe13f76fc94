package apikey

import (
	"encoding/binary"
	"net/netip"
)

// Network is a network that a key was used from: an IPv4 /24 or an IPv6 /48, which
// is what a site has at least. It is a number, so that it takes little room where
// keys in use are counted.
type Network uint64

// NoNetwork is that of a key that was not used. SeveralNetworks is that of a key
// that was used from several, or from an address that is not known.
const (
	NoNetwork       Network = 0
	SeveralNetworks Network = 1
)

// The kind of a network is in its highest byte, its address in the lowest ones.
const (
	networkKind = 56
	network4    = 4
	network6    = 6

	bits4, bits6 = 24, 48
)

// NetworkOf returns the network of an address. The zone of an address is ignored,
// and an IPv4-mapped IPv6 address counts as IPv4.
func NetworkOf(addr netip.Addr) Network {
	switch addr = addr.Unmap(); {
	case addr.Is4():
		a := addr.As4()
		return network4<<networkKind | Network(binary.BigEndian.Uint32(a[:])>>(32-bits4))
	case addr.Is6():
		a := addr.As16()
		return network6<<networkKind | Network(binary.BigEndian.Uint64(a[:8])>>(64-bits6))
	default:
		return SeveralNetworks
	}
}

// With returns the network of a key that was used from both.
func (n Network) With(other Network) Network {
	switch {
	case n == other || other == NoNetwork:
		return n
	case n == NoNetwork:
		return other
	default:
		return SeveralNetworks
	}
}

// Prefix returns the network, and the zero Prefix for none and for several.
func (n Network) Prefix() netip.Prefix {
	address := uint64(n) & (1<<networkKind - 1)
	switch n >> networkKind {
	case network4:
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(address)<<(32-bits4))
		return netip.PrefixFrom(netip.AddrFrom4(a), bits4)
	case network6:
		var a [16]byte
		binary.BigEndian.PutUint64(a[:8], address<<(64-bits6))
		return netip.PrefixFrom(netip.AddrFrom16(a), bits6)
	default:
		return netip.Prefix{}
	}
}

// Valid reports whether n is a network, none or several.
func (n Network) Valid() bool {
	return n == NoNetwork || n == SeveralNetworks || n.Prefix().IsValid() && NetworkOf(n.Prefix().Addr()) == n
}
