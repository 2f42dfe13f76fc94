package access

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// whose says what a credential is.
type whose int

const (
	others whose = iota
	ours         // and opens nothing
	good         // ours, of an active key
)

// credentialKind is the value of a header, in the one with schemes and in the one
// without.
type credentialKind struct {
	name           string
	schemed, plain string
	whose          whose
}

// everyKind has all kinds of credentials that a request may have.
func everyKind(t testing.TB, k *keys) []credentialKind {
	t.Helper()
	token, _ := k.add(t, func(key *apikey.Key) { key.Scopes = []string{"posts:read", "posts:write"} })
	revoked, _ := k.add(t, func(key *apikey.Key) { key.RevokedAt = now })
	disabled, _ := k.add(t, func(key *apikey.Key) { key.Disabled = true })
	expired, _ := k.add(t, func(key *apikey.Key) { key.ExpiresAt = now })
	k.addOpaque(t, opaqueToken, func(key *apikey.Key) { key.Scopes = []string{"posts:read", "posts:write"} })
	k.addOpaque(t, "revoked-elsewhere", func(key *apikey.Key) { key.RevokedAt = now })
	unknown, _, _ := apikey.Generate("patra")
	other, _, _ := apikey.Generate("other")
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwYXRyYSJ9.s5Ypatra_0123_-abc"
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	bare := func(name, token string, w whose) credentialKind {
		return credentialKind{name, "Bearer " + token, token, w}
	}
	return []credentialKind{
		bare("good", token, good),
		bare("good, of another system", opaqueToken, good),
		bare("revoked", revoked, ours),
		bare("disabled", disabled, ours),
		bare("expired", expired, ours),
		bare("revoked, of another system", "revoked-elsewhere", ours),
		bare("unknown", unknown, ours),
		bare("wrong checksum", token[:len(token)-1]+"!", ours),
		bare("cut off", token[:30], ours),
		bare("the prefix alone", token[:18], ours),
		bare("brand alone", "patra_", ours),
		bare("another case", strings.ToUpper(token), ours),
		bare("in quotes", `"`+token+`"`, ours),
		bare("two", token+", "+token, ours),
		bare("behind another", jwt+", "+unknown, ours),
		bare("within a word", "x"+unknown+"x", ours),
		bare("as a parameter", "token="+token, ours),
		{"without a scheme", token, token + " ", ours},
		{"with another scheme", "ApiKey " + token, " " + unknown, ours},
		{"as a name of Basic", basic(token + ":"), "key:" + token, ours},
		{"as a password of Basic", basic("api:" + unknown[:40]), unknown + "=", ours},
		{"of another system, without a scheme", opaqueToken, "Bearer " + opaqueToken, ours},
		{"of another system, with another scheme", "Token " + opaqueToken, "ApiKey\t" + opaqueToken, ours},
		{"of another system, in a list", "Bearer " + jwt + ", Bearer " + opaqueToken, jwt + "," + opaqueToken, ours},
		{"of another system, as a name of Basic", basic(opaqueToken + ":"), "Basic " + opaqueToken, ours},
		{"of another system, as a password of Basic", basic("api:" + opaqueToken), "Bearer  revoked-elsewhere", ours},
		{"of another system, as all of Basic", basic(opaqueToken), " " + opaqueToken, ours},
		{"in Basic behind a tab", strings.Replace(basic("api:"+token), " ", "\t", 1), "x " + token, ours},
		{"in Basic with other characters", basic("api:"+token) + ";", "(" + token + ")", ours},
		{"in Basic in two parts", basic("api:" + token)[:20] + " " + basic("api:" + token)[20:], token + " x", ours},
		{"in Basic behind padding", basic("a") + basic("b:" + token)[len("Basic "):], "x, " + token, ours},
		bare("JWT", jwt, others),
		bare("another brand", other, others),
		bare("unknown, of another system", opaqueToken+"0", others),
		bare("nearly the brand", "spatra_0123", others),
		bare("without its underscore", "patra", others),
		bare("empty", "", others),
		bare("bad characters", "a b\x80", others),
		bare("very long", strings.Repeat("a", 20_000), others),
		{"Basic", basic("patra:secret"), "session", others},
		{"Basic that is none", "Basic ?", "?", others},
		{"Digest", `Digest username="a"`, "x,y", others},
	}
}

// No request without a good key of Keygate's passes as anybody, or to a route that
// is denied or not mapped; and none with a bad one passes at all. Everything else
// passes, and its credentials with it, in every place where they may be.
func TestForeignPass(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	p.Foreign = true
	kinds := everyKind(t, k)
	r := rand.New(rand.NewPCG(5, 6))
	outcomes := make(map[string]int)
	for range 60_000 {
		p.CORS = r.IntN(2) == 0
		q := request([]string{"GET", "GET", "POST", "HEAD", "OPTIONS", "DELETE"}[r.IntN(6)], []string{"/v1/posts", "/v1/posts", "/v1/queue/live", "/v1/me", "/v1/status", "/v1/posts/closed", "/v1/Posts", "/nothing", "/v1//posts"}[r.IntN(9)], "")
		q.Authorization, q.WebSocket = nil, r.IntN(4) == 0
		q.OverFailures = r.IntN(4) == 0
		var mine [2][]whose
		for range []int{0, 0, 1, 1, 1, 2}[r.IntN(6)] {
			kind := kinds[r.IntN(len(kinds))]
			q.Authorization, mine[0] = append(q.Authorization, kind.schemed), append(mine[0], kind.whose)
		}
		for range []int{0, 0, 0, 1, 1, 2}[r.IntN(6)] {
			kind := kinds[r.IntN(len(kinds))]
			q.KeyHeader, mine[1] = append(q.KeyHeader, kind.plain), append(mine[1], kind.whose)
		}
		isOthers := func(w whose) bool { return w == others }
		foreign := [2]bool{!slices.ContainsFunc(mine[0], func(w whose) bool { return !isOthers(w) }), !slices.ContainsFunc(mine[1], func(w whose) bool { return !isOthers(w) })}
		all := slices.Concat(mine[0], mine[1])
		d := p.Decide(q)
		route := p.Table.Match(q.Method, q.Path)
		where := fmt.Sprintf("%+v: %+v", q, d)
		agrees(t, p, q)
		open := route != nil && !route.denies() && (!q.WebSocket || route.WebSocket && q.Method == "GET")
		passes := d.Reason == Allowed && !d.Preflight
		switch {
		case CheckPath(q.Path) != "", d.Preflight:
			if passes || d.Foreign || d.Authenticated {
				t.Fatal(where)
			}
			continue
		case passes && !open:
			t.Fatalf("passes to a route that is not open: %s", where)
		case route != nil && route.Access == Public:
			if d.Foreign || d.Authenticated || d.Untouched != (Untouched{}) {
				t.Fatal(where)
			}
			continue
		}
		if d.Authenticated && (!slices.Contains(all, good) || slices.Contains(all, ours) && foreign != [2]bool{true, false} && foreign != [2]bool{false, true}) {
			t.Fatalf("somebody without a good key: %s", where)
		}
		if d.Untouched.Authorization && !foreign[0] || d.Untouched.KeyHeader && !foreign[1] {
			t.Fatalf("a credential of ours goes on: %s", where)
		}
		switch {
		case foreign == [2]bool{true, true}:
			if !d.Foreign || d.Authenticated || passes != open || !passes && d.Reason != RouteNotMapped || passes && d.Untouched != (Untouched{true, true}) {
				t.Fatalf("foreign: %s", where)
			}
			outcomes["foreign"]++
		case slices.Contains(all, ours) || len(mine[0])+len(mine[1]) > 0 && !oneOurs(mine, foreign):
			if passes || d.Foreign || d.Authenticated {
				t.Fatalf("a bad key, or two of ours, passes: %s", where)
			}
			outcomes["bad"]++
		default:
			if d.Foreign || passes && !d.Authenticated || passes && (d.Untouched.Authorization != foreign[0] || d.Untouched.KeyHeader != foreign[1]) {
				t.Fatalf("with a good key: %s", where)
			}
			if !passes && open && d.Reason != TooManyFailures && d.Reason != InsufficientScope {
				t.Fatalf("a good key is refused: %s", where)
			}
			outcomes["good"]++
		}
	}
	for _, what := range []string{"foreign", "bad", "good"} {
		if outcomes[what] < 1000 {
			t.Errorf("%d are %s", outcomes[what], what)
		}
	}
}

// oneOurs reports whether exactly one credential is Keygate's, in a header of its
// own.
func oneOurs(mine [2][]whose, foreign [2]bool) bool {
	switch foreign {
	case [2]bool{true, false}:
		return len(mine[1]) == 1
	case [2]bool{false, true}:
		return len(mine[0]) == 1
	default:
		return false
	}
}

// Without the option nothing of this is so.
func TestForeignDeny(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	for _, kind := range everyKind(t, k) {
		q := request("GET", "/v1/posts", "")
		q.Authorization = []string{kind.schemed}
		if d := p.Decide(q); d.Foreign || (d.Reason == Allowed) != (kind.whose == good) {
			t.Errorf("%s: %+v", kind.name, d)
		}
	}
}

// Nobody knows whether a credential is a key while the store cannot say. What no
// store could know passes.
func TestForeignWithoutStore(t *testing.T) {
	k := newKeys()
	k.addOpaque(t, opaqueToken, nil)
	k.err = errors.New("no answer")
	p := testPolicy(t, k)
	p.Foreign = true
	for value, want := range map[string]Reason{
		"": Allowed, `Digest username="x", uri="y"`: Allowed, "Bearer a b": Allowed, "Basic YTpi": StoreUnavailable, "Digest x": StoreUnavailable,
		"Bearer a.b.c": StoreUnavailable, "Bearer " + opaqueToken: StoreUnavailable, "Bearer patra_x": StoreUnavailable,
	} {
		q := request("GET", "/v1/posts", "")
		if q.Authorization = nil; value != "" {
			q.Authorization = []string{value}
		}
		d := p.Decide(q)
		if d.Reason != want || (d.Err != nil) != (want == StoreUnavailable) {
			t.Errorf("%q: %s, %v", value, d.Reason, d.Err)
		}
		agrees(t, p, q)
	}
}

// The brand in a word of other tokens is chance, however short it is.
func TestHoldsTokenInRandomTokens(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	r := rand.New(rand.NewPCG(7, 8))
	chance := 0
	for range 300 {
		b := []byte("eyJ")
		for range 1000 {
			b = append(b, alphabet[r.IntN(len(alphabet))])
		}
		b[400], b[800] = '.', '.'
		if strings.Contains(strings.ToLower(string(b)), "k8_") {
			chance++
		}
		if HoldsToken("k8", "Bearer "+string(b)) {
			t.Fatalf("a token of k8 in %s", b)
		}
	}
	if chance == 0 {
		t.Error("the brand is in none of them, so that nothing was tested")
	}
}
