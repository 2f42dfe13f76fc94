package apikey_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// bothList reports whether two lists have an entry alike that fits. An empty
// list has all there are.
func bothList[T comparable](a, b []T, fits func(T) bool) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	for _, entry := range slices.Concat(a, b) {
		if fits(entry) && (len(a) == 0 || slices.Contains(a, entry)) && (len(b) == 0 || slices.Contains(b, entry)) {
			return true
		}
	}
	return false
}

// bothPlaces are the lists of two grants, all of them empty for anywhere.
func bothPlaces(a, b apikey.Grant) (x, y apikey.Places) {
	if a.Places != nil {
		x = *a.Places
	}
	if b.Places != nil {
		y = *b.Places
	}
	return x, y
}

// bothAllow is the rule from its other side: what two grants allow by the same
// entries of their lists.
func bothAllow(a, b apikey.Grant, now time.Time, scope, origin string, ip netip.Addr) bool {
	x, y := bothPlaces(a, b)
	return a.Status(now) == apikey.Active && b.Status(now) == apikey.Active && a.Scopes.Has(scope) && b.Scopes.Has(scope) &&
		bothList(x.Origins, y.Origins, func(o apikey.Origin) bool { return o.Matches(origin) }) &&
		bothList(x.IPs, y.IPs, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// TestNarrowerIsNoNarrower: what both grants allow by the same words, the
// narrower of them allows, and nothing else; it has the lower of two limits, and
// is revoked only where one of them is.
func TestNarrowerIsNoNarrower(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	onlyOrigins, onlyIPs, disabled := 0, 0, 0
	for range 2000 {
		a, b := randomGrant(t, r), randomGrant(t, r)
		n := apikey.Narrower(a, b)
		if want := (apikey.Limits{
			PerMinute: min(a.Limits.PerMinute, b.Limits.PerMinute), PerDay: min(a.Limits.PerDay, b.Limits.PerDay), Burst: min(a.Limits.Burst, b.Limits.Burst),
		}); n.Limits != want {
			t.Errorf("limits %+v of %+v and %+v", n.Limits, a.Limits, b.Limits)
		}
		x, y := bothPlaces(a, b)
		nowhere := !bothList(x.Origins, y.Origins, func(apikey.Origin) bool { return true }) || !bothList(x.IPs, y.IPs, func(netip.Prefix) bool { return true })
		want := max(a.State, b.State)
		if nowhere && want == apikey.StateUsable {
			want = apikey.StateDisabled
			disabled++
		}
		if n.State != want {
			t.Errorf("state %d of %+v and %+v; want %d", n.State, a, b, want)
		}
		if n.Hash != a.Hash || n.Workspace != a.Workspace {
			t.Errorf("%+v is of another key than %+v", n, a)
		}
		for sec := range int64(6) {
			now := time.Unix(sec, 0)
			for _, scope := range []string{"posts:read", "posts:write", "media:upload"} {
				for _, origin := range []string{"https://a.example", "https://b.example", "https://x.b.example", ""} {
					for _, ip := range []string{"203.0.113.7", "203.0.113.8", "2001:db8::1", "192.0.2.1"} {
						addr := netip.MustParseAddr(ip)
						want := bothAllow(a, b, now, scope, origin, addr)
						if passes(n, now, scope, origin, addr) != want {
							t.Fatalf("%s from %q %s at %v: passes %+v is not %t, of %+v and %+v", scope, origin, ip, now, n, want, a, b)
						}
						if want && n.Places != nil && len(n.Places.IPs) == 0 {
							onlyOrigins++
						}
						if want && n.Places != nil && len(n.Places.Origins) == 0 {
							onlyIPs++
						}
					}
				}
			}
		}
	}
	if onlyOrigins == 0 || onlyIPs == 0 || disabled == 0 {
		t.Errorf("%d pass by origins alone, %d by addresses alone, %d pairs have nothing alike: the test finds little", onlyOrigins, onlyIPs, disabled)
	}
}
