package apikey_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// randomGrant draws from so few values that two grants have much in common.
func randomGrant(t *testing.T, r *rand.Rand) apikey.Grant {
	t.Helper()
	some := func(of ...string) (chosen []string) {
		for _, s := range of {
			if r.IntN(2) == 0 {
				chosen = append(chosen, s)
			}
		}
		return chosen
	}
	k := apikey.Key{
		Scopes:   some("posts:read", "posts:write", "media:upload"),
		Disabled: r.IntN(8) == 0,
		Limits:   apikey.Limits{PerMinute: r.Uint32N(3) + 1, PerDay: r.Uint32N(3) + 1, Burst: r.Uint32N(3) + 1},
	}
	if r.IntN(2) == 0 {
		k.AllowedOrigins = some("https://a.example", "https://b.example", "https://*.b.example")
	}
	if r.IntN(2) == 0 {
		k.AllowedIPs = some("203.0.113.7", "203.0.113.0/24", "2001:db8::/32")
	}
	if r.IntN(3) == 0 {
		k.ExpiresAt = time.Unix(int64(r.IntN(4))+1, 0)
	}
	if r.IntN(16) == 0 {
		k.RevokedAt = time.Unix(1, 0)
	}
	g, err := k.Grant()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// passes decides as far as a grant tells.
func passes(g apikey.Grant, now time.Time, scope, origin string, ip netip.Addr) bool {
	if g.Status(now) != apikey.Active || !g.Scopes.Has(scope) {
		return false
	}
	if g.Places == nil {
		return true
	}
	from, via := len(g.Places.Origins) == 0, len(g.Places.IPs) == 0
	for _, o := range g.Places.Origins {
		from = from || o.Matches(origin)
	}
	for _, p := range g.Places.IPs {
		via = via || p.Contains(ip)
	}
	return from && via
}

// TestNarrower: what the narrower of two grants lets pass, both do, and two
// that are the same stay what they are.
func TestNarrower(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	passed := 0
	for range 3000 {
		a, b := randomGrant(t, r), randomGrant(t, r)
		n := apikey.Narrower(a, b)
		if l := n.Limits; l.PerMinute > min(a.Limits.PerMinute, b.Limits.PerMinute) || l.PerDay > min(a.Limits.PerDay, b.Limits.PerDay) || l.Burst > min(a.Limits.Burst, b.Limits.Burst) {
			t.Errorf("limits %+v of %+v and %+v", l, a.Limits, b.Limits)
		}
		for sec := range int64(6) {
			now := time.Unix(sec, 0)
			for _, scope := range []string{"posts:read", "posts:write", "media:upload"} {
				for _, origin := range []string{"https://a.example", "https://b.example", "https://x.b.example", ""} {
					for _, ip := range []string{"203.0.113.7", "203.0.113.8", "2001:db8::1", "192.0.2.1"} {
						addr := netip.MustParseAddr(ip)
						if !passes(n, now, scope, origin, addr) {
							continue
						}
						passed++
						if !passes(a, now, scope, origin, addr) || !passes(b, now, scope, origin, addr) {
							t.Fatalf("%s from %q %s at %v passes %+v, but not both %+v and %+v", scope, origin, ip, now, n, a, b)
						}
					}
				}
			}
		}
		if same := apikey.Narrower(a, a); fmt.Sprintf("%+v%+v", same.Scopes, same.Places) != fmt.Sprintf("%+v%+v", a.Scopes, a.Places) || same.State != a.State || same.ExpiresAt != a.ExpiresAt {
			t.Errorf("the narrower of %+v and itself is %+v", a, same)
		}
	}
	if passed == 0 {
		t.Error("nothing passes")
	}
}
