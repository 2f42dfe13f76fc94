package access

import (
	"encoding/base64"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// What is only reported passes with its reason, and not as its key; keys that
// have ended are refused as ever.
func TestSettle(t *testing.T) {
	for _, reason := range Reasons() {
		for _, report := range []bool{false, true} {
			for _, ended := range []Reason{0, KeyRevoked, KeyDisabled, KeyExpired} {
				p := Policy{Report: report}
				d := Decision{Reason: reason, Ended: ended, Authenticated: true}
				p.Settle(&d)
				want := Decision{Reason: reason, Ended: ended, Authenticated: true}
				if report && reason != Allowed {
					want.WouldDeny = reason
					switch {
					case ended == 0:
						want.Reason = Allowed
					case reason != TooManyFailures:
						want.Reason = ended
					}
				}
				if d != want {
					t.Errorf("report %t, ended %s, %s: %+v, want %+v", report, ended, reason, d, want)
				}
				if d.Identified() != (reason == Allowed) {
					t.Errorf("report %t, ended %s, %s: identified %t", report, ended, reason, d.Identified())
				}
			}
		}
	}
	if (&Decision{Reason: Allowed}).Identified() {
		t.Error("nobody is somebody")
	}
}

// Mode report decides as enforcement does. It knows more of one thing: whether a
// token that is not looked up is that of a key that has ended.
func TestReportDecidesTheSame(t *testing.T) {
	k := newKeys()
	enforce, report := testPolicy(t, k), testPolicy(t, k)
	report.Report = true
	for _, kind := range everyKind(t, k) {
		for _, over := range []bool{false, true} {
			for _, foreign := range []bool{false, true} {
				q := request("GET", "/v1/posts", "")
				q.Authorization, q.OverFailures = []string{kind.schemed}, over
				enforce.Foreign, report.Foreign = foreign, foreign
				want, got := enforce.Decide(q), report.Decide(q)
				if got.Reason != want.Reason || got.Authenticated != want.Authenticated || got.Foreign != want.Foreign || got.Detail != want.Detail {
					t.Errorf("%s, over %t, foreign %t: %+v, enforced %+v", kind.name, over, foreign, got, want)
				}
				ended := kind.name == "revoked" || kind.name == "disabled" || kind.name == "expired" || kind.name == "revoked, of another system"
				if (got.Ended != 0) != ended {
					t.Errorf("%s, over %t: ended %s", kind.name, over, got.Ended)
				}
			}
		}
	}
	enforce.Foreign, report.Foreign = false, false
	// The credential of another system goes on, ours never does.
	ours, _ := k.add(t, nil)
	for token, want := range map[string]bool{opaqueToken: true, ours: false} {
		if d := report.Decide(request("GET", "/v1/posts", token)); d.Reason != Allowed || d.Untouched.Authorization != want {
			t.Errorf("%.6s: %+v", token, d)
		}
		if d := enforce.Decide(request("GET", "/v1/posts", token)); d.Reason != Allowed || d.Untouched != (Untouched{}) {
			t.Errorf("%.6s, enforced: %+v", token, d)
		}
	}
	// What is beside a key goes on, unless a token of the brand is in it.
	for value, want := range map[string]bool{"Digest username=\"ada\"": true, "Digest username=\"patra_bot\"": false} {
		q := request("GET", "/v1/posts", "")
		q.Authorization, q.KeyHeader = []string{value}, []string{ours}
		if d := report.Decide(q); d.Reason != Allowed || d.Untouched.Authorization != want {
			t.Errorf("%s: %+v", value, d)
		}
	}
}

// A key that has ended is refused whatever else is wrong with its request, and wherever
// in it the token is.
func TestReportRefusesWhatHasEnded(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	p.Report = true
	revoked, _ := k.add(t, func(key *apikey.Key) { key.RevokedAt = now })
	disabled, _ := k.add(t, func(key *apikey.Key) { key.Disabled = true })
	expired, _ := k.add(t, func(key *apikey.Key) { key.ExpiresAt = now })
	good, _ := k.add(t, func(key *apikey.Key) { key.Scopes = []string{"posts:read"} })
	k.addOpaque(t, "revoked-elsewhere", func(key *apikey.Key) { key.RevokedAt = now })
	k.addOpaque(t, opaqueToken, nil)
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	places := map[string]func(q *Request, token string){
		"Bearer":              func(q *Request, token string) { q.Authorization = []string{"Bearer " + token} },
		"twice":               func(q *Request, token string) { q.Authorization = []string{"Bearer x", "Bearer " + token} },
		"alone":               func(q *Request, token string) { q.Authorization = []string{token} },
		"another scheme":      func(q *Request, token string) { q.Authorization = []string{"Token " + token} },
		"name of Basic":       func(q *Request, token string) { q.Authorization = []string{basic(token + ":")} },
		"password of Basic":   func(q *Request, token string) { q.Authorization = []string{basic("x:" + token)} },
		"key header":          func(q *Request, token string) { q.KeyHeader = []string{token} },
		"key header, twice":   func(q *Request, token string) { q.KeyHeader = []string{token, "y"} },
		"key header, schemed": func(q *Request, token string) { q.KeyHeader = []string{"Bearer " + token} },
		"beside a key header": func(q *Request, token string) {
			q.Authorization, q.KeyHeader = []string{"Bearer " + token}, []string{"x"}
		},
		"beside a good one": func(q *Request, token string) {
			q.Authorization, q.KeyHeader = []string{"Bearer " + token}, []string{good}
		},
		"beside Bearer":    func(q *Request, token string) { q.Authorization, q.KeyHeader = []string{"Bearer x"}, []string{token} },
		"subprotocol":      func(q *Request, token string) { q.ProtocolTokens, q.WebSocket = []string{token}, true },
		"two subprotocols": func(q *Request, token string) { q.ProtocolTokens, q.WebSocket = []string{"x", token}, true },
		"subprotocol as well": func(q *Request, token string) {
			q.ProtocolTokens, q.WebSocket, q.Authorization = []string{token}, true, []string{"Bearer x"}
		},
	}
	requests := []*Request{
		request("GET", "/v1/posts", ""), request("GET", "/v1//posts", ""), request("GET", "/v1/posts;x", ""), request("PROPFIND", "/v1/posts", ""),
		request("GET", "/nothing", ""), request("GET", "/v1/posts/closed", ""), request("DELETE", "/v1/posts", ""), request("GET", "/v1/queue/live", ""),
	}
	query := request("GET", "/v1/posts", "")
	query.Query = "q=\xc3\xa9"
	requests = append(requests, query)
	for place, put := range places {
		for _, foreign := range []bool{false, true} {
			for _, over := range []bool{false, true} {
				for _, sent := range requests {
					for token, ended := range map[string]Reason{revoked: KeyRevoked, disabled: KeyDisabled, expired: KeyExpired, "revoked-elsewhere": KeyRevoked, good: 0, opaqueToken: 0} {
						q := *sent
						q.Authorization, q.OverFailures = nil, over
						put(&q, token)
						p.Foreign = foreign
						d := p.Decide(&q)
						if d.Reason == TooManyFailures && ended != 0 {
							ended = TooManyFailures
						}
						denied := d.Reason
						p.Settle(&d)
						if ended != 0 && (d.Reason != ended || d.WouldDeny != denied) || ended == 0 && (d.Reason != Allowed || d.Ended != 0) {
							t.Errorf("%s, foreign %t, over %t, %s %s, %.6s: %+v, want %s", place, foreign, over, q.Method, q.Path, token, d, ended)
						}
					}
				}
			}
		}
	}
}

// However many values a request has, none that has ended gets by.
func TestReportRefusesTooManyValues(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	p.Report = true
	k.addOpaque(t, "revoked-elsewhere", func(key *apikey.Key) { key.RevokedAt = now })
	for _, p.Foreign = range []bool{false, true} {
		for n := range 100 {
			q := request("GET", "/v1/posts", "")
			q.Authorization = nil
			for range n {
				q.Authorization = append(q.Authorization, "Bearer x")
			}
			q.Authorization = append(q.Authorization, "Bearer revoked-elsewhere")
			d := p.Decide(q)
			if p.Settle(&d); d.Reason == Allowed || d.WouldDeny != MalformedRequest && n > 0 {
				t.Errorf("behind %d others, foreign %t: %+v", n, p.Foreign, d)
			}
		}
	}
}
