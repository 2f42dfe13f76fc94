package apikey

import (
	"net/netip"
	"slices"
	"testing"
)

func TestNetwork(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"203.0.113.7", "203.0.113.0/24"},
		{"0.0.0.0", "0.0.0.0/24"},
		{"255.255.255.255", "255.255.255.0/24"},
		{"::ffff:203.0.113.7", "203.0.113.0/24"},
		{"2001:db8:1:2:3::4", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/48"},
		{"::", "::/48"},
		{"ffff:ffff:ffff:ffff::", "ffff:ffff:ffff::/48"},
	} {
		n := NetworkOf(netip.MustParseAddr(tt.addr))
		if n.Prefix().String() != tt.want || !n.Valid() {
			t.Errorf("the network of %s is %s, valid: %t; want %s", tt.addr, n.Prefix(), n.Valid(), tt.want)
		}
	}
	if n := NetworkOf(netip.Addr{}); n != SeveralNetworks {
		t.Errorf("an unknown address is of %d; want several", n)
	}
	for _, n := range []Network{2, 255, 4<<56 | 1<<24, 6<<56 | 1<<48, 5 << 56, 1 << 63} {
		if n.Valid() {
			t.Errorf("%x is valid", uint64(n))
		}
	}
	for _, n := range []Network{NoNetwork, SeveralNetworks} {
		if n.Prefix().IsValid() || !n.Valid() {
			t.Errorf("%d is the network %s, valid: %t", n, n.Prefix(), n.Valid())
		}
	}
}

func TestNetworkWith(t *testing.T) {
	a, b := NetworkOf(netip.MustParseAddr("203.0.113.7")), NetworkOf(netip.MustParseAddr("203.0.114.7"))
	for _, tt := range []struct{ one, other, want Network }{
		{NoNetwork, NoNetwork, NoNetwork},
		{NoNetwork, a, a},
		{a, a, a},
		{a, b, SeveralNetworks},
		{SeveralNetworks, a, SeveralNetworks},
		{SeveralNetworks, NoNetwork, SeveralNetworks},
	} {
		if got, back := tt.one.With(tt.other), tt.other.With(tt.one); got != tt.want || back != tt.want {
			t.Errorf("%x with %x is %x, and %x; want %x", tt.one, tt.other, got, back, tt.want)
		}
	}
}

func TestSightingNames(t *testing.T) {
	set := NewScopeSet([]string{"c:c", "a:a", "b:b"})
	for _, tt := range []struct {
		needed uint64
		want   []string
	}{
		{0, nil},
		{1, []string{"a:a"}},
		{0b110, []string{"b:b", "c:c"}},
		{1<<63 | 0b1001, []string{"a:a"}}, // the others are none of the set
	} {
		s := Sighting{Scopes: set, Needed: tt.needed}
		if got := slices.Collect(s.Names); !slices.Equal(got, tt.want) {
			t.Errorf("%b: %q; want %q", tt.needed, got, tt.want)
		}
	}
	for i, scope := range set.List {
		if got := set.Index(scope); got != i {
			t.Errorf("%s is at %d; want %d", scope, got, i)
		}
	}
	if got := set.Index("a"); got != -1 {
		t.Errorf("a part of a scope is at %d", got)
	}
}
