package apikey

import (
	"net/netip"
	"strings"
)

const acceptedIP = "an address such as 203.0.113.7 or 2001:db8::7, or a network such as 203.0.113.0/24"

// mappedBits is how many leading bits of an IPv4-mapped IPv6 address (RFC 4291
// section 2.5.5.2) come before the IPv4 address.
const mappedBits = 96

// ParseIP reads an address or a CIDR. An IPv4-mapped IPv6 address becomes IPv4.
// Zones, host bits and /0 are refused, and the error gives the right form. The
// error is a [*FieldError] for "allowed_ips".
func ParseIP(s string) (netip.Prefix, error) {
	if better := withoutZone(s); better != "" {
		return refuseIP(s, "has a zone (did you mean "+better+"?)", "")
	}
	p, ok := parsePrefix(s)
	switch {
	case !ok:
		return refuseIP(s, "is neither an address nor a network", acceptedIP)
	case p.Bits() == 0:
		return refuseIP(s, "is every address", "an empty allowed_ips to allow every address")
	case p.Addr().Is4In6():
		return refuseIP(s, "is wider than IPv4-mapped IPv6", "the network in IPv4 form, such as 203.0.113.0/24")
	case p.Masked() != p:
		return refuseIP(s, "has host bits (did you mean "+FormatIP(p.Masked())+"?)", "")
	}
	return p, nil
}

// parsePrefix refuses zones, which Unmap would drop. It unmaps IPv4-mapped
// networks, except those wider than all of IPv4, which it returns as they are.
func parsePrefix(s string) (netip.Prefix, bool) {
	if strings.Contains(s, "%") {
		return netip.Prefix{}, false
	}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), err == nil
	}
	p, err := netip.ParsePrefix(s)
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p, err == nil
}

// withoutZone returns s without its zone, or "" if it has no zone or is wrong in
// another way too.
func withoutZone(s string) string {
	address, length, _ := strings.Cut(s, "/")
	address, zone, ok := strings.Cut(address, "%")
	if !ok || zone == "" {
		return ""
	}
	if length != "" {
		address += "/" + length
	}
	p, ok := parsePrefix(address)
	if !ok || p.Bits() == 0 || p.Addr().Is4In6() {
		return ""
	}
	return FormatIP(p.Masked())
}

func refuseIP(s, problem, accepted string) (netip.Prefix, error) {
	return netip.Prefix{}, &FieldError{Field: "allowed_ips", Problem: Quote(s) + " " + problem, Accepted: accepted}
}

// FormatIP returns the form that [ParseIP] reads and the store keeps: a CIDR, or
// the address alone for a single address.
func FormatIP(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
