package access

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

var checkNames = []string{"shape", "preflight", "public_route", "credential", "key", "status", "ip", "origin", "route", "scopes"}

// explained is an explanation on one line: "pass fail skipped …".
func explained(e Explanation) string {
	var outcomes []string
	for _, c := range e.Checks {
		outcomes = append(outcomes, map[Outcome]string{Pass: "p", Fail: "F", Skipped: "s"}[c.Outcome])
	}
	return strings.Join(outcomes, "")
}

func find(t *testing.T, e Explanation, name string) Check {
	t.Helper()
	for _, c := range e.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %s", name)
	return Check{}
}

func TestExplain(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	bind := func(key *apikey.Key) {
		key.AllowedIPs = []string{"203.0.113.0/28", "198.51.100.7"}
		key.AllowedOrigins = []string{"https://shop.example", "https://*.partner.example"}
	}
	token, id := k.add(t, bind)
	_, revoked := k.add(t, func(key *apikey.Key) { key.RevokedAt = now; bind(key) })
	_, disabled := k.add(t, func(key *apikey.Key) { key.Disabled = true })
	_, expired := k.add(t, func(key *apikey.Key) { key.ExpiresAt = now.Add(-time.Hour) })
	_, late := k.add(t, func(key *apikey.Key) { key.ExpiresAt = time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC) })
	_, soon := k.add(t, func(key *apikey.Key) { key.ExpiresAt = now.Add(time.Hour) })
	_, both := k.add(t, func(key *apikey.Key) { key.Disabled, key.ExpiresAt = true, now.Add(time.Hour) })
	_, places := k.add(t, func(key *apikey.Key) {
		for n := range 12 {
			key.AllowedIPs = append(key.AllowedIPs, fmt.Sprintf("192.0.2.%d", n))
			key.AllowedOrigins = append(key.AllowedOrigins, fmt.Sprintf("https://%d.example", n))
		}
	})
	_, tenPlaces := k.add(t, func(key *apikey.Key) {
		for n := range 10 {
			key.AllowedIPs = append(key.AllowedIPs, fmt.Sprintf("192.0.2.%d", n))
		}
	})
	_, noScopes := k.add(t, nil)
	withoutScopes := k.grants[noScopes]
	withoutScopes.Scopes = apikey.NewScopeSet(nil)
	k.grants[noScopes] = withoutScopes
	const ten = "192.0.2.0, 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6, 192.0.2.7, 192.0.2.8, 192.0.2.9"
	unknown, unknownID, _ := apikey.Generate("patra")
	wrong, wrongID, _ := apikey.Generate("patra")
	k.grants[wrongID] = k.grants[id]
	shop := []string{"https://shop.example"}

	for name, test := range map[string]struct {
		key      apikey.ID // zero: by the credential of the request
		q        Request
		outcomes string // of the checks in order
		check    string // the one that is looked at
		compared string
		fix      string
	}{
		"all pass": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: shop},
			"pppppppppp",
			"ip", "203.0.113.7 with 203.0.113.0/28, 198.51.100.7", "",
		},
		"by token": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts", Origins: shop, Authorization: []string{"Bearer " + token}},
			"pppppppppp",
			"key", "the token with the hash of the key " + id.String(), "",
		},
		"by ID": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: shop},
			"pppppppppp",
			"key", "not tried: the key is named by its ID, " + id.String(), "",
		},
		"everything wrong": {
			revoked,
			Request{Method: "POST", Path: "/v1/posts/with-media", Client: netip.MustParseAddr("192.0.2.1"), Origins: []string{"null"}},
			"pppppFFFpF",
			"scopes", "posts:write media:upload with posts:read", "Give the key posts:write, media:upload as well.",
		},
		"revoked": {
			revoked,
			Request{Method: "GET", Path: "/v1/posts", Origins: shop},
			"pppppFpppp",
			"status", "revoked", "Create another key: a revoked one is never usable again.",
		},
		"disabled": {
			disabled,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppFpppp",
			"status", "disabled, never expires", "Enable the key.",
		},
		"expired": {
			expired,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppFpppp",
			"status", "expired at 2026-11-23T09:00:00Z; the request is of 2026-11-23T10:00:00Z", "Give the key a later expires_at, or none.",
		},
		"expires later than clocks can tell": {
			late,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppppppp",
			"status", "active at 2026-11-23T10:00:00Z, expires later than the year 2261", "",
		},
		"expires soon": {
			soon,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppppppp",
			"status", "active at 2026-11-23T10:00:00Z, expires 2026-11-23T11:00:00Z", "",
		},
		"disabled, expires": {
			both,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppFpppp",
			"status", "disabled, expires 2026-11-23T11:00:00Z", "Enable the key.",
		},
		"many addresses": {
			places,
			Request{Method: "GET", Path: "/v1/posts", Origins: []string{"https://7.example"}},
			"ppppppFppp",
			"ip", "203.0.113.7 with " + ten + " and 2 more", "Call from an address in allowed_ips, or add 203.0.113.7 to it.",
		},
		"ten addresses": {
			tenPlaces,
			Request{Method: "GET", Path: "/v1/posts"},
			"ppppppFppp",
			"ip", "203.0.113.7 with " + ten, "Call from an address in allowed_ips, or add 203.0.113.7 to it.",
		},
		"no scopes": {
			noScopes,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppppppF",
			"scopes", "posts:read with none", "Give the key posts:read as well.",
		},
		"with a query": {
			soon,
			Request{Method: "GET", Path: "/v1/posts", Query: "a=1"},
			"pppppppppp",
			"shape", `method "GET", path "/v1/posts", query "a=1"`, "",
		},
		"with a bad query": {
			soon,
			Request{Method: "GET", Path: "/v1/posts", Query: "a b"},
			"Fpspppppss",
			"shape", `path "/v1/posts", query "a b"`, querySpace,
		},
		"other address": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: shop, Client: netip.MustParseAddr("203.0.113.99")},
			"ppppppFppp",
			"ip", "203.0.113.99 with 203.0.113.0/28, 198.51.100.7", "Call from an address in allowed_ips, or add 203.0.113.99 to it.",
		},
		"other origin": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: []string{"https://evil.example"}},
			"pppppppFpp",
			"origin", `"https://evil.example" with https://shop.example, https://*.partner.example`, "Call from a page of an origin in allowed_origins, or add this one to it.",
		},
		"no origin": {
			id,
			Request{Method: "GET", Path: "/v1/posts"},
			"pppppppFpp",
			"origin", "no Origin with https://shop.example, https://*.partner.example", "Call from a page of an origin in allowed_origins, or set missing_origin allow for clients that are no browsers.",
		},
		"origin to escape": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: []string{"\x1b]0;pwn\x07\u202e"}},
			"pppppppFpp",
			"origin", `"\x1b]0;pwn\a\u202e" with https://shop.example, https://*.partner.example`, "Call from a page of an origin in allowed_origins.",
		},
		"two origins": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: []string{"a", "b"}},
			"pppppppFpp",
			"origin", "2 Origin headers with https://shop.example, https://*.partner.example", "Send Origin once.",
		},
		"not mapped": {
			id,
			Request{Method: "GET", Path: "/v1/feeds", Origins: shop},
			"ppppppppFs",
			"route", `"GET" "/v1/feeds" with no route`, routeNotMapped,
		},
		"near a route": {
			id,
			Request{Method: "GET", Path: "/v1/Posts", Origins: shop},
			"ppppppppFs",
			"route", `"GET" "/v1/Posts" with no route`, "Send the path exactly as in the route GET /v1/posts: case counts, and so do a slash and a format such as .json at the end.",
		},
		"denied": {
			id,
			Request{Method: "GET", Path: "/v1/posts/closed", Origins: shop},
			"ppppppppFs",
			"route", `"GET" "/v1/posts/closed" with the route * /v1/posts/closed, which is denied to everyone`, "This path is closed with this method, to every key. Send another request.",
		},
		"denied, no key": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts/closed"},
			"pppsssssFs",
			"credential", "no key opens a denied route", "",
		},
		"other method": {
			id,
			Request{Method: "PUT", Path: "/v1/posts", Origins: shop},
			"ppppppppFs",
			"route", `"PUT" "/v1/posts" with no route`, "Send another method, or map this one: the path has GET, HEAD, POST.",
		},
		"no WebSocket": {
			id,
			Request{Method: "GET", Path: "/v1/posts", Origins: shop, WebSocket: true},
			"ppppppppFp",
			"route", `"GET" "/v1/posts" as a WebSocket with the route GET /v1/posts`, routeNoWebSocket,
		},
		"any valid key": {
			id,
			Request{Method: "GET", Path: "/v1/me", Origins: shop},
			"pppppppppp",
			"scopes", "the route needs none", "",
		},
		"method": {
			id,
			Request{Method: "get", Path: "/v1/posts", Origins: shop},
			"Fpspppppss",
			"shape", `method "get" with GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY`, "Send one of these methods, in capitals.",
		},
		"path": {
			id,
			Request{Method: "GET", Path: "/v1//posts", Origins: shop},
			"Fpspppppss",
			"shape", `path "/v1//posts"`, pathEmptySegment,
		},
		"public": {
			id,
			Request{Method: "GET", Path: "/v1/status"},
			"pppsssssps",
			"public_route", "the route GET /v1/status is public, so no key is needed", "",
		},
		"preflight": {
			id,
			Request{Method: "OPTIONS", Path: "/v1/posts", Origins: shop, RequestMethod: []string{"GET"}},
			"ppssssssss",
			"preflight", "a preflight, which is answered with 204 and never passed on", "",
		},
		"no credential": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts"},
			"pppFssssps",
			"credential", "0 in Authorization and 0 in the header for keys with exactly 1", "Send the API key in the header Authorization: Bearer YOUR_KEY.",
		},
		"two credentials": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts", Authorization: []string{"Bearer a"}, KeyHeader: []string{"b"}},
			"pppFssssps",
			"credential", "1 in Authorization and 1 in the header for keys with exactly 1", credentialTwoPlaces,
		},
		"unknown ID": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts", Authorization: []string{"Bearer " + unknown}},
			"ppppFsssps",
			"key", "the token with no key: none has the ID " + unknownID.String(), "Send the token of a key that exists; this one was deleted, or belongs to another store.",
		},
		"wrong secret": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts", Authorization: []string{"Bearer " + wrong}},
			"ppppFsssps",
			"key", "the token with the hash of the key " + wrongID.String(), "Send the token of this key; this one was never its token.",
		},
		"no token": {
			apikey.ID{},
			Request{Method: "GET", Path: "/v1/posts", Authorization: []string{"Bearer abc"}},
			"ppppFsssps",
			"key", "the token with the form patra_ID_SECRET and its checksum", "Send the token as it was given, whole and unchanged.",
		},
		"token in the path": {
			id,
			Request{Method: "GET", Path: "/" + token, Origins: shop},
			"ppppppppFs",
			"route", `"GET" <a token> with no route`, routeNotMapped,
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.q.Now = now
			if !test.q.Client.IsValid() {
				test.q.Client = netip.MustParseAddr("203.0.113.7")
			}
			var key *Identified
			if !test.key.IsZero() {
				key = &Identified{ID: test.key, Grant: k.grants[test.key]}
			}
			e := p.Explain(&test.q, key)
			if got := explained(e); got != test.outcomes {
				t.Errorf("outcomes %s; want %s", got, test.outcomes)
			}
			for i, c := range e.Checks {
				if c.Name != checkNames[i] {
					t.Errorf("check %d is %s; want %s", i, c.Name, checkNames[i])
				}
			}
			if c := find(t, e, test.check); c.Compared != test.compared || c.Fix != test.fix {
				t.Errorf("compared %s\nfix %s\nwant     %s\nfix %s", c.Compared, c.Fix, test.compared, test.fix)
			}
		})
	}
}

// Without a config no route is known, and neither is what missing_origin says.
func TestExplainWithoutTable(t *testing.T) {
	k := newKeys()
	_, id := k.add(t, func(key *apikey.Key) { key.AllowedOrigins = []string{"https://shop.example"} })
	p := &Policy{Brand: "patra", Keys: k}
	for want, q := range map[string]*Request{
		"pssppppsss": {Method: "GET", Path: "/v1/posts", Now: now},
		"psspppppss": {Method: "GET", Path: "/v1/posts", Now: now, Origins: []string{"https://shop.example"}},
		"pssppppFss": {Method: "GET", Path: "/v1/posts", Now: now, Origins: []string{"null"}},
		"FssppppFss": {Method: "GET", Path: "posts", Now: now, Origins: []string{"null"}},
	} {
		e := p.Explain(q, &Identified{ID: id, Grant: k.grants[id]})
		if got := explained(e); got != want || e.Route != nil {
			t.Errorf("%s, route %v; want %s", got, e.Route, want)
		}
	}
}

func TestExplainStoreUnavailable(t *testing.T) {
	k := newKeys()
	token, _ := k.add(t, nil)
	k.err = errors.New("disk on fire")
	e := testPolicy(t, k).Explain(request("GET", "/v1/posts", token), nil)
	if got := explained(e); got != "ppppFsssps" || e.Reason() != StoreUnavailable {
		t.Errorf("%s, %s", got, e.Reason())
	}
}
