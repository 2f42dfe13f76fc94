package access

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

func TestDecide(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	reader, readerID := k.add(t, nil)
	other, _ := k.add(t, nil)
	writer, _ := k.add(t, func(key *apikey.Key) { key.Scopes = []string{"media:upload", "posts:write"} })
	revoked, _ := k.add(t, func(key *apikey.Key) { key.RevokedAt = now.Add(-time.Hour) })
	disabled, _ := k.add(t, func(key *apikey.Key) { key.Disabled = true })
	expired, _ := k.add(t, func(key *apikey.Key) { key.ExpiresAt = now })
	expiring, _ := k.add(t, func(key *apikey.Key) { key.ExpiresAt = now.Add(time.Second) })
	unknown, _, _ := apikey.Generate("patra")
	foreign, _, _ := apikey.Generate("other")
	// What somebody knows who holds one key and the ID of another: a token with
	// the right checksum, but the secret of no key.
	wrongSecret, id, hash := apikey.Generate("patra")
	k.grants[id] = apikey.Grant{Hash: apikey.HashToken(other), Scopes: apikey.NewScopeSet(nil)}
	// A store must not be able to let somebody in by mistake.
	unsaved, id, _ := apikey.Generate("patra")
	k.grants[id] = apikey.Grant{Scopes: apikey.NewScopeSet([]string{"posts:read"})}
	if hash == apikey.HashToken(other) {
		t.Fatal("two tokens with one hash")
	}

	for name, test := range map[string]struct {
		q      *Request
		reason Reason
		route  string // the pattern, "" for none
		authed bool
	}{
		"scope held":                {request("GET", "/v1/posts", reader), Allowed, "/v1/posts", true},
		"HEAD":                      {request("HEAD", "/v1/posts", reader), Allowed, "/v1/posts", true},
		"scope missing":             {request("POST", "/v1/posts", reader), InsufficientScope, "/v1/posts", true},
		"both scopes":               {request("POST", "/v1/posts/with-media", writer), Allowed, "/v1/posts/with-media", true},
		"write does not imply read": {request("GET", "/v1/posts", writer), InsufficientScope, "/v1/posts", true},
		"any valid key":             {request("GET", "/v1/me", writer), Allowed, "/v1/me", true},
		"public without key":        {request("GET", "/v1/status", ""), Allowed, "/v1/status", false},
		"public with a key":         {request("GET", "/v1/status", reader), Allowed, "/v1/status", false},
		"public with a bad key":     {request("GET", "/v1/status", "!"), Allowed, "/v1/status", false},
		"public with a revoked key": {request("GET", "/v1/status", revoked), Allowed, "/v1/status", false},
		"not mapped":                {request("GET", "/v1/feeds", reader), RouteNotMapped, "", true},
		"not mapped, no key":        {request("GET", "/v1/feeds", ""), MissingKey, "", false},
		"no key":                    {request("GET", "/v1/posts", ""), MissingKey, "/v1/posts", false},
		"malformed":                 {request("GET", "/v1/posts", "a b"), MalformedRequest, "/v1/posts", false},
		"not a token":               {request("GET", "/v1/posts", "abc"), InvalidKey, "/v1/posts", false},
		"padded token":              {request("GET", "/v1/posts", reader+"=="), InvalidKey, "/v1/posts", false},
		"wrong checksum":            {request("GET", "/v1/posts", reader[:56]+flip(reader[56])), InvalidKey, "/v1/posts", false},
		"another brand":             {request("GET", "/v1/posts", foreign), InvalidKey, "/v1/posts", false},
		"unknown ID":                {request("GET", "/v1/posts", unknown), InvalidKey, "/v1/posts", false},
		"wrong secret":              {request("GET", "/v1/posts", wrongSecret), InvalidKey, "/v1/posts", false},
		"key without a hash":        {request("GET", "/v1/posts", unsaved), InvalidKey, "/v1/posts", false},
		"revoked":                   {request("GET", "/v1/posts", revoked), KeyRevoked, "/v1/posts", false},
		"disabled":                  {request("GET", "/v1/posts", disabled), KeyDisabled, "/v1/posts", false},
		"expired this instant":      {request("GET", "/v1/posts", expired), KeyExpired, "/v1/posts", false},
		"expires later":             {request("GET", "/v1/posts", expiring), Allowed, "/v1/posts", true},
		"CONNECT":                   {request("CONNECT", "/v1/posts", reader), MethodNotAllowed, "", false},
		"TRACE":                     {request("TRACE", "/v1/posts", reader), MethodNotAllowed, "", false},
		"lower-case method":         {request("get", "/v1/posts", reader), MethodNotAllowed, "", false},
		"no method":                 {request("", "/v1/posts", reader), MethodNotAllowed, "", false},
		"any is no method":          {request("*", "/v1/posts", reader), MethodNotAllowed, "", false},
		"ambiguous path":            {request("GET", "/v1/./posts", reader), AmbiguousPath, "", false},
		"denied":                    {request("GET", "/v1/posts/closed", reader), RouteNotMapped, "/v1/posts/closed", true},
		"denied, no key":            {request("GET", "/v1/posts/closed", ""), RouteNotMapped, "/v1/posts/closed", false},
		"denied, not a token":       {request("GET", "/v1/posts/closed", "abc"), InvalidKey, "/v1/posts/closed", false},
		"denied, revoked":           {request("GET", "/v1/posts/closed", revoked), KeyRevoked, "/v1/posts/closed", false},
		"denied, like it":           {request("GET", "/v1/posts/Closed", ""), MissingKey, "", false},
		"QUERY is not mapped":       {request("QUERY", "/v1/posts", reader), RouteNotMapped, "", true},
		"QUERY by *":                {request("QUERY", "/v1/queue/live", reader), Allowed, "/v1/queue/live", true},
		"OPTIONS without Origin":    {request("OPTIONS", "/v1/me", reader), Allowed, "/v1/me", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := p.Decide(test.q)
			if d.Reason != test.reason || d.Authenticated != test.authed || patternOf(d.Route) != test.route || d.Preflight || d.Err != nil {
				t.Errorf("Decide = %s, authenticated %v, route %q, preflight %v, error %v; want %s, %v, %q", d.Reason, d.Authenticated, patternOf(d.Route), d.Preflight, d.Err, test.reason, test.authed, test.route)
			}
			known := test.authed || slices.Contains([]Reason{KeyRevoked, KeyDisabled, KeyExpired}, test.reason)
			if d.ID.IsZero() == known || (d.Grant.Workspace == "acme") != known {
				t.Errorf("the key is %q of %q; want one: %v", d.ID, d.Grant.Workspace, known)
			}
			detailed := slices.Contains([]Reason{AmbiguousPath, MalformedRequest, RouteNotMapped}, test.reason)
			if (d.Detail != "") != detailed {
				t.Errorf("the detail is %q; want one: %v", d.Detail, detailed)
			}
		})
	}
	if d := p.Decide(request("GET", "/v1/posts", reader)); d.ID != readerID {
		t.Errorf("the key is %s; want %s", d.ID, readerID)
	}
}

func flip(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}

func patternOf(r *Route) string {
	if r == nil {
		return ""
	}
	return r.Pattern
}

// Invalid keys cannot be told apart by anything but the time that they take.
func TestInvalidKeysAreAlike(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	unknown, _, _ := apikey.Generate("patra")
	wrong, id, _ := apikey.Generate("patra")
	held, _ := k.add(t, nil)
	k.grants[id] = apikey.Grant{Hash: apikey.HashToken(held)}

	want := p.Decide(request("GET", "/v1/posts", "nonsense"))
	for name, token := range map[string]string{"unknown ID": unknown, "wrong secret": wrong, "checksum": held[:56] + flip(held[56])} {
		if got := p.Decide(request("GET", "/v1/posts", token)); got != want {
			t.Errorf("%s: %+v; want %+v", name, got, want)
		}
	}
}

func TestLookupsOnlyForTokens(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	token, _ := k.add(t, nil)
	for name, test := range map[string]struct {
		token string
		asked int
	}{
		"right":        {token, 1},
		"bad checksum": {token[:56] + flip(token[56]), 0},
		"noise":        {"abc", 0},
		"none":         {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			k.asked = 0
			p.Decide(request("GET", "/v1/posts", test.token))
			if k.asked != test.asked {
				t.Errorf("%d look-ups; want %d", k.asked, test.asked)
			}
		})
	}
}

func TestStoreUnavailable(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	token, _ := k.add(t, nil)
	k.err = errors.New("the disk is gone")
	d := p.Decide(request("GET", "/v1/posts", token))
	if d.Reason != StoreUnavailable || !errors.Is(d.Err, k.err) || d.Authenticated || !d.ID.IsZero() || d.Grant != (apikey.Grant{}) {
		t.Errorf("Decide = %+v", d)
	}
	if d := p.Decide(request("GET", "/v1/status", token)); d.Reason != Allowed {
		t.Errorf("a public route: %s", d.Reason)
	}
	if d := p.Decide(request("GET", "/v1/posts", token[1:])); d.Reason != InvalidKey {
		t.Errorf("a text that is not a token: %s", d.Reason)
	}
}

// A request with everything wrong fails the first check; as its faults are
// mended one by one, the others show in their order.
func TestOrderOfChecks(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	bind := func(change func(*apikey.Key)) string {
		token, _ := k.add(t, func(key *apikey.Key) {
			key.Scopes = []string{"feeds:read"}
			key.AllowedIPs, key.AllowedOrigins = []string{"192.0.2.1"}, []string{"https://shop.example"}
			if change != nil {
				change(key)
			}
		})
		return "Bearer " + token
	}
	usable := bind(nil)
	unknown, _, _ := apikey.Generate("patra")
	q := &Request{Method: "get", Path: "/v1//feeds", Authorization: []string{"Bearer a", "Bearer b"}, Client: netip.MustParseAddr("192.0.2.2"), Origins: []string{"null"}, Now: now}

	for _, step := range []struct {
		want Reason
		mend func()
	}{
		{MethodNotAllowed, func() { q.Method = "GET" }},
		{AmbiguousPath, func() { q.Path = "/v1/feeds" }},
		{MalformedRequest, func() { q.Authorization = nil }},
		{MissingKey, func() { q.Authorization = []string{"Bearer " + unknown} }},
		{InvalidKey, func() {
			q.Authorization[0] = bind(func(key *apikey.Key) { key.RevokedAt, key.Disabled, key.ExpiresAt = now, true, now })
		}},
		{KeyRevoked, func() { q.Authorization[0] = bind(func(key *apikey.Key) { key.Disabled, key.ExpiresAt = true, now }) }},
		{KeyDisabled, func() { q.Authorization[0] = bind(func(key *apikey.Key) { key.ExpiresAt = now }) }},
		{KeyExpired, func() { q.Authorization[0] = usable }},
		{IPNotAllowed, func() { q.Client = netip.MustParseAddr("192.0.2.1") }},
		{OriginNotAllowed, func() { q.Origins[0] = "https://shop.example" }},
		{RouteNotMapped, func() { q.Path = "/v1/posts" }},
		{InsufficientScope, func() { q.Path = "/v1/me" }},
		{Allowed, func() {}},
	} {
		if d := p.Decide(q); d.Reason != step.want {
			t.Fatalf("Decide = %s; want %s", d.Reason, step.want)
		}
		step.mend()
	}
}

// No detail repeats what the client sent, and each is one line of ASCII.
func TestDetails(t *testing.T) {
	for _, detail := range []string{
		pathNotAbsolute, pathEmptySegment, pathDotSegment, pathBackslash, pathSemicolon, pathControl, pathBadEscape, pathBadUTF8, pathEncodedSlash,
		pathEncodedPercent, pathEncodedUnreserved, pathUnencoded, credentialTwoPlaces, credentialRepeated, credentialNotBearer, credentialEmpty,
		credentialTooLong, credentialBadChars, routeNotMapped, routeNoWebSocket,
	} {
		if !strings.HasSuffix(detail, ".") || !strings.Contains(detail, ". ") || strings.ContainsFunc(detail, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q does not say in two sentences what is wrong and what to do", detail)
		}
	}
}
