package access

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// agrees checks an explanation against the decision that it explains, and for
// what must not be in it.
func agrees(t *testing.T, p *Policy, q *Request) Reason {
	t.Helper()
	d, e := p.Decide(q), p.Explain(q, nil)
	if e.Reason() != d.Reason {
		t.Fatalf("Decide = %s, but Explain says %s (%s) of %+v", d.Reason, e.Reason(), explained(e), q)
	}
	if len(e.Checks) != len(checkNames) {
		t.Fatalf("%d checks", len(e.Checks))
	}
	if d.Authenticated && (e.Key == nil || e.Key.ID != d.ID) || d.Reason == Allowed && d.Route != e.Route {
		t.Fatalf("Explain found key %v and route %v; Decide %s and %v", e.Key, e.Route, d.ID, d.Route)
	}
	sent := strings.Join(append(append([]string{}, q.Authorization...), q.KeyHeader...), " ")
	for _, c := range e.Checks {
		failed := c.Outcome == Fail
		if failed != (c.Reason != 0) || failed != (c.Fix != "") || c.Compared == "" {
			t.Fatalf("%+v of %+v", c, q)
		}
		text := c.Compared + c.Fix
		if len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' && r != '…' }) {
			t.Fatalf("%q of %+v", text, q)
		}
		if apikey.ContainsToken(text) || strings.Contains(sent, opaqueToken) && strings.Contains(text, opaqueToken) {
			t.Fatalf("a token in %q", text)
		}
	}
	return d.Reason
}

func explainPolicy(t testing.TB) (p *Policy, tokens []string) {
	k := newKeys()
	p = testPolicy(t, k)
	for _, change := range []func(*apikey.Key){
		nil,
		func(key *apikey.Key) { key.Scopes = []string{"posts:write", "media:upload"} },
		func(key *apikey.Key) { key.AllowedIPs = []string{"203.0.113.0/28"} },
		func(key *apikey.Key) { key.AllowedOrigins = []string{"https://*.shop.example"} },
		func(key *apikey.Key) {
			key.AllowedOrigins, key.AllowedIPs, key.Disabled = []string{"https://shop.example"}, []string{"192.0.2.1"}, true
		},
		func(key *apikey.Key) { key.RevokedAt = now },
		func(key *apikey.Key) { key.ExpiresAt = now },
	} {
		token, _ := k.add(t, change)
		tokens = append(tokens, token)
	}
	k.addOpaque(t, opaqueToken, nil)
	unknown, _, _ := apikey.Generate("patra")
	return p, append(tokens, opaqueToken, unknown, "abc", "a b", "")
}

// The first check that fails is the one that decides, and all pass exactly
// where the request does.
func TestExplainAgreesWithDecide(t *testing.T) {
	p, tokens := explainPolicy(t)
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	list := func(from ...string) []string {
		if s := pick(from...); s != "" {
			return []string{s, s}[:1+r.IntN(20)/19]
		}
		return nil
	}
	seen := make(map[Reason]int)
	for range 50_000 {
		p.CORS, p.AllowMissingOrigin, p.Foreign = r.IntN(4) > 0, r.IntN(2) == 0, r.IntN(3) == 0
		token := pick(tokens...)
		q := &Request{
			Method:        pick("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "QUERY", "PUT", "get", "TRACE"),
			Path:          pick("/v1/posts", "/v1/posts", "/v1/posts/with-media", "/v1/me", "/v1/status", "/v1/status/live", "/v1/queue/live", "/v1/posts/closed", "/v1/Posts", "/v1/posts/", "/x", "//", "", "/"+token),
			Origins:       list("", "", "https://shop.example", "https://eu.shop.example", "null", "\x1b[31m\u202e", token),
			RequestMethod: list("", "", "", "GET"),
			WebSocket:     r.IntN(4) == 0,
			Client:        [...]netip.Addr{{}, netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}[r.IntN(4)],
			Now:           now.Add(time.Duration(r.IntN(3)-1) * time.Second),
		}
		if token != "" {
			q.Authorization = list("Bearer "+token, "Bearer "+token, "bearer  "+token, "Basic "+token, "")
			q.KeyHeader = list("", "", "", "", token)
		}
		seen[agrees(t, p, q)]++
	}
	for _, reason := range Reasons() {
		switch reason {
		case TooManyFailures, RateLimited, QuotaExceeded, CostTooHigh, StoreUnavailable: // not of Decide, or of a broken store
		default:
			if seen[reason] < 100 {
				t.Errorf("only %d of the requests are decided as %s", seen[reason], reason)
			}
		}
	}
}

func FuzzExplain(f *testing.F) {
	p, tokens := explainPolicy(f)
	for i := range tokens {
		f.Add("GET", "/v1/posts", "https://eu.shop.example", i, "", false)
	}
	f.Add("OPTIONS", "/v1/posts", "null", 0, "GET", false)
	f.Add("GET", "/v1/status/live", "", 1, "", true)
	f.Add("GET", "/v1/%2e%2e", "\x1b]0;pwn\x07", 2, "", true)
	f.Fuzz(func(t *testing.T, method, path, origin string, token int, requestMethod string, webSocket bool) {
		q := request(method, path, tokens[uint(token)%uint(len(tokens))])
		q.WebSocket = webSocket
		if origin != "" {
			q.Origins = []string{origin}
		}
		if requestMethod != "" {
			q.RequestMethod = []string{requestMethod}
		}
		agrees(t, p, q)
	})
}
