package access

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkMatchUniform asks for all routes of a table in random order.
func BenchmarkMatchUniform(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		routes := manyRoutes(n)
		table := mustTable(b, routes...)
		asked := make([]struct{ method, path string }, n)
		for i, r := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			asked[i].method = routes[r].Methods[0]
			asked[i].path = strings.NewReplacer("{id}", "7Hk2Qp9aX3bC", "*", "daily").Replace(routes[r].Pattern)
		}
		b.Run(fmt.Sprintf("%d_routes/serial", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if table.Match(asked[i].method, asked[i].path) == nil {
					b.Fatalf("%s matches no route", asked[i].path)
				}
				if i++; i == n {
					i = 0
				}
			}
		})
		b.Run(fmt.Sprintf("%d_routes/parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := rand.IntN(n)
				for pb.Next() {
					if table.Match(asked[i].method, asked[i].path) == nil {
						b.Errorf("%s matches no route", asked[i].path)
						return
					}
					if i++; i == n {
						i = 0
					}
				}
			})
		})
	}
}

// places are grants that are bound to no place, and to ten of each kind.
func places(t testing.TB) (none, ten *apikey.Grant) {
	t.Helper()
	k := newKeys()
	_, unbound := k.add(t, nil)
	_, bound := k.add(t, func(key *apikey.Key) {
		for i := range 10 {
			key.AllowedIPs = append(key.AllowedIPs, fmt.Sprintf("198.51.%d.0/24", i))
			key.AllowedOrigins = append(key.AllowedOrigins, fmt.Sprintf("https://shop%d.example", i))
		}
		key.AllowedOrigins[9] = "https://*.shop.example"
	})
	g, h := k.grants[unbound], k.grants[bound]
	return &g, &h
}

// placeChecks are the checks of address and origin, good and bad.
func placeChecks(t testing.TB) (client, origin map[string]func()) {
	t.Helper()
	none, ten := places(t)
	var p Policy
	from := func(g *apikey.Grant, addr string, want Reason) func() {
		client := netip.MustParseAddr(addr)
		if got := checkClient(g, client); got != want {
			t.Fatalf("from %s: %s, want %s", addr, got, want)
		}
		return func() { checkClient(g, client) }
	}
	of := func(g *apikey.Grant, origin string, want Reason) func() {
		origins := []string{origin}
		if got := p.checkOrigin(g, origins); got != want {
			t.Fatalf("origin %s: %s, want %s", origin, got, want)
		}
		return func() { p.checkOrigin(g, origins) }
	}
	client = map[string]func(){
		"none":                   from(none, "203.0.113.7", Allowed),
		"ten_prefixes/first":     from(ten, "198.51.0.7", Allowed),
		"ten_prefixes/last":      from(ten, "198.51.9.7", Allowed),
		"ten_prefixes/none":      from(ten, "203.0.113.7", IPNotAllowed),
		"ten_prefixes/none_IPv6": from(ten, "2001:db8::1", IPNotAllowed),
	}
	origin = map[string]func(){
		"none":                 of(none, "https://shop.example", Allowed),
		"ten_origins/first":    of(ten, "https://shop0.example", Allowed),
		"ten_origins/wildcard": of(ten, "https://eu.shop.example", Allowed),
		"ten_origins/none":     of(ten, "https://other.example", OriginNotAllowed),
	}
	return client, origin
}

func runAll(b *testing.B, checks map[string]func()) {
	b.Helper()
	for name, check := range checks {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check()
			}
		})
	}
}

func BenchmarkCheckClient(b *testing.B) {
	client, _ := placeChecks(b)
	runAll(b, client)
}

func BenchmarkCheckOrigin(b *testing.B) {
	_, origin := placeChecks(b)
	runAll(b, origin)
}

func TestPlacesAllocateNothing(t *testing.T) {
	client, origin := placeChecks(t)
	for part, checks := range map[string]map[string]func(){"client": client, "origin": origin} {
		for name, check := range checks {
			if n := testing.AllocsPerRun(100, check); n != 0 {
				t.Errorf("%s, %s: %v allocations", part, name, n)
			}
		}
	}
}
