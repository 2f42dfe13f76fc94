package access

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// hotPath is everything that a request may go through, good and bad.
func hotPath(t testing.TB) map[string]func() {
	k := newKeys()
	p := testPolicy(t, k)
	reader, _ := k.add(t, nil)
	revoked, _ := k.add(t, func(key *apikey.Key) { key.RevokedAt = now })
	bound, _ := k.add(t, func(key *apikey.Key) {
		key.AllowedOrigins = []string{"https://a.example", "https://*.shop.example"}
		key.AllowedIPs = []string{"198.51.100.0/24", "203.0.113.0/24"}
	})
	unknown, _, _ := apikey.Generate("patra")
	wrong, id, _ := apikey.Generate("patra")
	k.grants[id] = apikey.Grant{Hash: apikey.HashToken(reader)}

	// A store with opaque keys hashes and looks up whatever is no token of ours.
	imported := newKeys()
	imported.addOpaque(t, opaqueToken, nil)
	pOpaque := testPolicy(t, imported)

	decideBy := func(p *Policy, want Reason, q *Request) func() {
		if d := p.Decide(q); d.Reason != want {
			t.Fatalf("Decide = %s; want %s", d.Reason, want)
		}
		return func() { p.Decide(q) }
	}
	decide := func(want Reason, q *Request) func() { return decideBy(p, want, q) }
	places := func(q *Request, client string) *Request {
		q.Origins, q.Client = []string{"https://eu.shop.example"}, netip.MustParseAddr(client)
		return q
	}
	return map[string]func(){
		"allowed":            decide(Allowed, request("GET", "/v1/posts", reader)),
		"allowed_bound":      decide(Allowed, places(request("GET", "/v1/posts", bound), "203.0.113.7")),
		"public":             decide(Allowed, request("GET", "/v1/status", "")),
		"preflight":          decide(Allowed, &Request{Method: "OPTIONS", Path: "/v1/posts", Origins: []string{"null"}, RequestMethod: []string{"GET"}}),
		"ambiguous_path":     decide(AmbiguousPath, request("GET", "/v1/posts/%2e%2e/x", reader)),
		"missing_key":        decide(MissingKey, request("GET", "/v1/posts", "")),
		"malformed":          decide(MalformedRequest, request("GET", "/v1/posts", "a,b")),
		"bad_checksum":       decide(InvalidKey, request("GET", "/v1/posts", reader[:56]+flip(reader[56]))),
		"unknown_id":         decide(InvalidKey, request("GET", "/v1/posts", unknown)),
		"wrong_secret":       decide(InvalidKey, request("GET", "/v1/posts", wrong)),
		"opaque":             decideBy(pOpaque, Allowed, request("GET", "/v1/posts", opaqueToken)),
		"opaque_unknown":     decideBy(pOpaque, InvalidKey, request("GET", "/v1/posts", "up_live_unknown")),
		"revoked":            decide(KeyRevoked, request("GET", "/v1/posts", revoked)),
		"ip_not_allowed":     decide(IPNotAllowed, places(request("GET", "/v1/posts", bound), "192.0.2.1")),
		"route_not_mapped":   decide(RouteNotMapped, request("GET", "/v1/Posts/%E2%84%AA", reader)),
		"insufficient_scope": decide(InsufficientScope, request("POST", "/v1/posts", reader)),
	}
}

func TestNoAllocations(t *testing.T) {
	table := mustTable(t, manyRoutes(1000)...)
	run := hotPath(t)
	for _, path := range []string{"/v1/resource9/x", "/v1/resource9/stats/a/b", "/v1/RESOURCE9/x", "/v1/%E2%84%AA", "/v1/" + strings.Repeat("a", 4000), "/v1/%", "/x/"} {
		run["Match "+path] = func() { table.Match("GET", path) }
		run["CheckPath "+path] = func() { CheckPath(path) }
	}
	for _, origin := range []string{"https://shop.example:8443", "http://[::1]:80", "null", "https://[::1", "https://a/"} {
		run["ValidOrigin "+origin] = func() { ValidOrigin(origin) }
	}
	for name, f := range run {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, f := range hotPath(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		table := mustTable(b, manyRoutes(n)...)
		for _, path := range []string{"/v1/resource1", "/v1/resource1/7Hk2Qp9aX3bC", "/v1/feeds"} {
			b.Run(fmt.Sprintf("%d_routes%s", n, path), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					table.Match("GET", path)
				}
			})
		}
	}
}

// BenchmarkMatchImported has two routes of the Caddyfile before those of a
// document, so that both trees are searched.
func BenchmarkMatchImported(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		routes := manyRoutes(n)
		for i := range routes {
			routes[i].Imported = true
		}
		table := mustTable(b, append(routes, parseRoutes("GET /v1/status\nGET /v1/resource1/me")...)...)
		for _, path := range []string{"/v1/resource1", "/v1/resource1/7Hk2Qp9aX3bC", "/v1/feeds"} {
			b.Run(fmt.Sprintf("%d_routes%s", n, path), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					table.Match("GET", path)
				}
			})
		}
	}
}

func BenchmarkNewTable(b *testing.B) {
	routes := manyRoutes(10_000)
	b.ReportAllocs()
	for b.Loop() {
		mustTable(b, routes...)
	}
}

func BenchmarkCheckPath(b *testing.B) {
	for _, path := range []string{"/v1/posts", "/v1/posts/7Hk2Qp9aX3bC/comments/a%20b", "/v1/posts/%2e%2e"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				CheckPath(path)
			}
		})
	}
}

func BenchmarkValidOrigin(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ValidOrigin("https://shop.example:8443")
	}
}
