package plugin_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a client gets behind mode report is byte for byte what it gets without
// Keygate, and what the backend sees is the same as well. The two are asked in
// different seconds, so that no answer is the same by luck.
func TestReportChangesNothing(t *testing.T) {
	t.Parallel()
	g := startLive(t, "mode report")
	asked, plain := time.Now(), g.answers(t, g.bare, g.bareTLS)
	await(t, "another second", func() bool { return time.Now().Unix() > asked.Unix()+1 })
	keyed := g.answers(t, g.keyed, g.tls)
	for request, want := range plain {
		if got := keyed[request]; got != want {
			t.Errorf("%s\n%s\nwithout Keygate\n%s", request, got, want)
		}
	}
	if len(keyed) != len(plain) || len(plain) < 2*len(liveMix) {
		t.Errorf("%d answers of %d requests over three protocols", len(keyed), len(liveMix))
	}
}

// answers are what the requests of the mix give over each protocol, and what the
// backend sees of them.
func (g *liveSite) answers(t *testing.T, addr, addrTLS string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	note := func(protocol, request, answer string) {
		all[protocol+" "+request] = fmt.Sprintf("is answered\n%s\nand the backend sees\n%+v", clocks.ReplaceAllString(answer, ""), g.backend.take())
	}
	for _, request := range liveMix {
		note("HTTP/1.1", request, rawExchange(t, addr, request))
		r, ok := overHTTP2(request)
		if !ok {
			continue
		}
		for protocol, send := range map[string]func(string, wireRequest) (response, error){"HTTP/2": sendHTTP2, "HTTP/3": sendHTTP3} {
			resp, err := send(addrTLS, r)
			if err != nil {
				t.Fatalf("%s %s: %v", protocol, request, err)
			}
			resp.Header.Del("Alt-Svc") // has the port
			// Over HTTP/3 an answer without a body says so or not, as Caddy's flush or
			// its end comes first.
			if protocol == "HTTP/3" && resp.Header.Get("Content-Length") == "0" {
				resp.Header.Del("Content-Length")
			}
			note(protocol, request, fmt.Sprintf("%+v", resp))
		}
	}
	return all
}

// overHTTP2 is a request of the mix, for HTTP/2 and 3, unless it is one of HTTP/1.1
// alone.
func overHTTP2(request string) (r wireRequest, ok bool) {
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	words := strings.Fields(lines[0])
	r = wireRequest{Method: words[0], Target: words[1], Body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Connection", "Transfer-Encoding", "Upgrade", "Expect", "X~Odd":
			return r, false
		case "Content-Length":
			continue
		}
		r.Fields = append(r.Fields, wireField{name, value})
	}
	return r, words[2] == "HTTP/1.1" && len(body) < 10_000
}

// Tokens of the brand, right or wrong, and claims of identity do not reach the
// backend. All else of such a request does.
func TestReportHidesTokensAndClaims(t *testing.T) {
	t.Parallel()
	g := startLive(t, "mode report")
	_, token := g.createKey(t, "--scope", "media:upload")
	hidden := []string{
		"Authorization: Bearer " + token, "authorization: bearer " + token[:20], "Authorization: " + token, "X-API-Key: " + token, "x-api-key: " + strings.ToUpper(token),
		"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(token+":")), "Authorization: Digest username=\"" + token + "\"",
		"SocialPatra-Workspace: evil", "SOCIALPATRA-ROLE: evil", "SocialPatra~Key-Id: evil", "Authorization: Bearer " + token + "\nAuthorization: Bearer " + token,
	}
	for _, lines := range hidden {
		for _, request := range []string{"GET /v1/nothing HTTP/1.1\nX-Stays: 1", "POST /v1/posts HTTP/1.1\nX-Real-IP: 1.2.3.4\nContent-Length: 2\n\nhi"} {
			want := rawExchange(t, g.bare, request)
			sent := g.backend.take()
			first, rest, _ := strings.Cut(request, "\n")
			got := rawExchange(t, g.keyed, first+"\n"+lines+"\n"+rest)
			if seen := g.backend.take(); got != want || fmt.Sprintf("%+v", seen) != fmt.Sprintf("%+v", sent) {
				t.Errorf("with %s the backend sees\n%+v\nwant\n%+v\nanswered\n%s\nwant\n%s", lines, seen, sent, got, want)
			}
		}
	}
	// A trailer claims an identity, announced or not.
	rawExchange(t, g.keyed, "POST /v1/posts HTTP/1.1\nContent-Type: text/plain\nTransfer-Encoding: chunked\nTrailer: X-Sum, SocialPatra-Role\n\n5\nhello\n0\nX-Sum: 7\nSocialPatra-Role: evil\nSocialPatra_Workspace: evil\n\n")
	seen := g.backend.takeOne(t)
	if len(seen.Trailer) != 1 || seen.Trailer.Get("X-Sum") != "7" {
		t.Errorf("the backend sees the trailer %v", seen.Trailer)
	}
	// The other way round: a good key is who it is.
	_, good := g.createKey(t, "--scope", "posts:read")
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(good)); resp.Status != 200 || g.backend.takeOne(t).Header.Get("SocialPatra-Workspace") != "acme" {
		t.Errorf("a good key: %+v", resp)
	}
	g.stop(t)
	for _, secret := range []string{token, good} {
		scanForSecret(t, secretOf(secret), g.Dir)
	}
}

// liveKeys are keys of every kind, under the names that requests have for them.
func (g *liveSite) liveKeys(t *testing.T) *strings.Replacer {
	t.Helper()
	good, goodToken := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000")
	revoked, revokedToken := g.createKey(t, "--scope", "posts:read")
	disabled, disabledToken := g.createKey(t, "--scope", "posts:read")
	g.mustCLI(t, "revoke", revoked.ID)
	g.mustCLI(t, "disable", disabled.ID)
	return strings.NewReplacer(
		"$GOOD", goodToken, "$REVOKED", revokedToken, "$DISABLED", disabledToken,
		"$WRONG", noSuchKeyWithID(good.ID), "$NONE", noSuchKeyWithID("000000000000"),
		"$PAGE", g.token(t, "--scope", "posts:read", "--origin", "https://app.example"),
		"$OFFICE", g.token(t, "--scope", "posts:read", "--ip", "203.0.113.7"),
	)
}

// scarceKeys are keys that are soon used up.
func (g *liveSite) scarceKeys(t *testing.T) *strings.Replacer {
	t.Helper()
	return strings.NewReplacer(
		"$DAILY", g.token(t, "--scope", "posts:read", "--per-day", "1"),
		"$SLOW", g.token(t, "--scope", "posts:read", "--per-day", "1000", "--per-minute", "1"),
	)
}

// What mode report counts is what mode enforce denies, for the same traffic, reason
// by reason.
func TestReportCountsWhatIsDenied(t *testing.T) {
	t.Parallel()
	enforced, reported := startLive(t, "mode enforce"), startLive(t, "mode report")
	r := rand.New(rand.NewPCG(11, 12))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	requests := slices.Clone(liveMix)
	for range 900 {
		request := pick("GET", "GET", "GET", "GET", "POST", "OPTIONS", "QUERY", "TRACE") + " " + pick("/v1/posts", "/v1/posts", "/v1/posts", "/v1/costly", "/v1/status", "/v1/secret", "/v1/Posts", "/v1//posts", "/other", "/v1/posts?a'b") + " HTTP/1.1"
		for range r.IntN(3) {
			request += "\n" + pick(
				"Authorization: Bearer $GOOD", "Authorization: Bearer $GOOD", "Authorization: Bearer $REVOKED", "Authorization: Bearer $DISABLED", "Authorization: Bearer $WRONG", "X-API-Key: $NONE",
				"X-API-Key: $GOOD", "Authorization: Bearer $PAGE", "Authorization: Bearer $OFFICE", "Authorization: Bearer $DAILY", "Authorization: Bearer $DAILY", "Authorization: Bearer $SLOW", "Authorization: Bearer $SLOW",
				"Origin: https://app.example", "Origin: https://evil.example", "Authorization: Basic YTpi", "Authorization: Bearer "+jwt, "Cookie: session=1", "SocialPatra-Workspace: evil", "Access-Control-Request-Method: GET")
		}
		requests = append(requests, request)
	}
	// Buckets fill and days end while this runs. So each request goes to one right after
	// the other, and no scarce key lasts for as long as a bucket takes to get one back.
	keys := map[*liveSite]*strings.Replacer{enforced: enforced.liveKeys(t), reported: reported.liveKeys(t)}
	for some := range slices.Chunk(requests, 150) {
		scarce := map[*liveSite]*strings.Replacer{enforced: enforced.scarceKeys(t), reported: reported.scarceKeys(t)}
		for _, request := range some {
			for _, g := range []*liveSite{enforced, reported} {
				rawExchange(t, g.keyed, scarce[g].Replace(keys[g].Replace(request)))
			}
		}
	}
	want, metrics := byLabel(enforced.metrics(t)["caddy_keygate_requests_total"]), reported.metrics(t)
	got, answered := byLabel(metrics["caddy_keygate_would_deny_total"]), byLabel(metrics["caddy_keygate_requests_total"])
	allowed := want["allowed"]
	delete(want, "allowed")
	if !maps.Equal(got, want) {
		t.Errorf("counted\n%v\nand denied\n%v", got, want)
	}
	for reason, n := range want {
		if n < 3 && reason != "store_unavailable" && reason != "key_expired" && reason != "too_many_failures" { // the time decides these
			t.Errorf("only %v requests are %s", n, reason)
		}
	}
	if byLabel(metrics["caddy_keygate_not_enforced"])[""] != 2 || byLabel(enforced.metrics(t)["caddy_keygate_not_enforced"])[""] != 0 {
		t.Error("it is not told how many handlers do not enforce")
	}
	refused := 0.0
	for reason, n := range answered {
		if reason != "allowed" {
			refused += n
		}
		if n > 0 && !slices.Contains([]string{"allowed", "key_revoked", "key_disabled"}, reason) {
			t.Errorf("%v requests are refused as %s", n, reason)
		}
	}
	all := allowed
	for _, n := range want {
		all += n
	}
	if answered["allowed"]+refused != all || answered["key_revoked"] == 0 {
		t.Errorf("%v are answered, of %v", answered, all)
	}
}

// Nothing of docs/attacks.md claims an identity or shows a token behind mode report,
// and each is counted by the reason for which it is denied where that is in force.
func TestAttacksAreReported(t *testing.T) {
	t.Parallel()
	attacks := readAttacks(t, "../docs/attacks.md")
	enforced, reported := startAttackGateway(t), startAttackGateway(t, "mode report")
	for _, row := range attacks {
		for _, protocol := range row.Protocols {
			if row.Outcome == "refused" || row.Outcome == "not forwarded" {
				continue // by Caddy, which is asked elsewhere
			}
			if strings.Contains(row.Request.Body, " HTTP/1.1") {
				continue // what Caddy takes for another request, nothing keeps it from here
			}
			if _, err := enforced.send(protocol, row.Site, row.with(enforced.names).Request); err != nil {
				t.Fatalf("line %d %s: %v", row.Line, protocol, err)
			}
			reported.backend.take()
			if _, err := reported.send(protocol, row.Site, row.with(reported.names).Request); err != nil {
				t.Logf("line %d %s is no request for the backend: %v", row.Line, protocol, err)
			}
			sent := row.with(reported.names)
			for _, seen := range reported.backend.take() {
				for name, values := range seen.Header {
					claims := strings.HasPrefix(environmentName(name), "HTTP_SOCIALPATRA")
					if claims && (row.Outcome != "passes" || strings.Contains(strings.ToLower(fmt.Sprint(values)), "evil")) {
						t.Errorf("line %d %s: the backend sees %s: %q", row.Line, protocol, name, values)
					}
				}
				if row.Outcome != "passes" && len(seen.Trailer) > 0 && strings.Contains(strings.ToLower(fmt.Sprint(seen.Trailer)), "socialpatra") {
					t.Errorf("line %d %s: the backend sees the trailer %v", row.Line, protocol, seen.Trailer)
				}
				for _, secret := range reported.secrets {
					if strings.Contains(fmt.Sprintf("%+v", seen), secret) && !strings.Contains(sent.Request.Body+sent.Request.Target, secret) && !strings.Contains(fmt.Sprint(sent.Request.Fields), "Cookie") {
						t.Errorf("line %d %s: the backend sees %s: %+v", row.Line, protocol, secret, seen)
					}
				}
			}
		}
	}
	want := byLabel(enforced.metrics(t)["caddy_keygate_requests_total"])
	delete(want, "allowed")
	if got := byLabel(reported.metrics(t)["caddy_keygate_would_deny_total"]); !maps.Equal(got, want) {
		t.Errorf("counted\n%v\nand denied\n%v", got, want)
	}
}
