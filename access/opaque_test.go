package access

import (
	"errors"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

const opaqueToken = "up_live_0123456789abcdef"

func TestOpaqueTokens(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	id := k.addOpaque(t, opaqueToken, nil)
	k.addOpaque(t, "revoked-elsewhere", func(key *apikey.Key) { key.RevokedAt = now })
	foreign, _, _ := apikey.Generate("other")
	foreignID := k.addOpaque(t, foreign, nil)
	ours, _ := k.add(t, nil)
	unknown, _, _ := apikey.Generate("patra")
	// A store that finds a key by a hash that is not its own lets nobody in.
	k.opaque[apikey.HashToken("mistaken")] = id

	for name, test := range map[string]struct {
		token string
		want  Reason
		id    apikey.ID // zero: not looked at
	}{
		"imported":            {opaqueToken, Allowed, id},
		"of another brand":    {foreign, Allowed, foreignID},
		"ours, beside them":   {ours, Allowed, apikey.ID{}},
		"revoked":             {"revoked-elsewhere", KeyRevoked, apikey.ID{}},
		"unknown":             {opaqueToken + "0", InvalidKey, apikey.ID{}},
		"unknown, of ours":    {unknown, InvalidKey, apikey.ID{}},
		"hash of another key": {"mistaken", InvalidKey, apikey.ID{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := p.Decide(request("GET", "/v1/posts", test.token))
			if d.Reason != test.want || !test.id.IsZero() && d.ID != test.id {
				t.Errorf("Decide = %s, key %s; want %s, key %s", d.Reason, d.ID, test.want, test.id)
			}
			if d.Reason == InvalidKey && (!d.ID.IsZero() || d.Grant != apikey.Grant{}) {
				t.Errorf("an invalid key is named %s", d.ID)
			}
		})
	}
	t.Run("client over its budget of failures", func(t *testing.T) {
		for token, want := range map[string]Reason{
			opaqueToken: TooManyFailures, foreign: TooManyFailures, "guessed": TooManyFailures, "revoked-elsewhere": TooManyFailures,
			ours: Allowed, unknown: InvalidKey, "a b": MalformedRequest, "": MissingKey,
		} {
			q := request("GET", "/v1/posts", token)
			q.OverFailures = true
			before := k.asked
			if d := p.Decide(q); d.Reason != want || want == TooManyFailures && (k.asked != before || !d.ID.IsZero() || d.Authenticated) {
				t.Errorf("Decide(%.4s) = %s, key %s, after %d look-ups; want %s after none", token, d.Reason, d.ID, k.asked-before, want)
			}
			agrees(t, p, q)
		}
		q := request("GET", "/v1/status", opaqueToken)
		q.OverFailures = true
		if d := p.Decide(q); d.Reason != Allowed {
			t.Errorf("on a public route: %s", d.Reason)
		}
	})
	t.Run("by the hash alone", func(t *testing.T) {
		// The hash of a token of ours is not for LookupOpaque: its ID says where it is.
		k.opaque[apikey.HashToken(unknown)] = id
		if d := p.Decide(request("GET", "/v1/posts", unknown)); d.Reason != InvalidKey {
			t.Errorf("Decide = %s", d.Reason)
		}
	})
	t.Run("store unavailable", func(t *testing.T) {
		k.err = errors.New("disk on fire")
		if d := p.Decide(request("GET", "/v1/posts", opaqueToken)); d.Reason != StoreUnavailable || d.Err == nil {
			t.Errorf("Decide = %s, %v", d.Reason, d.Err)
		}
	})
	t.Run("none in the store", func(t *testing.T) {
		k := newKeys()
		if d := testPolicy(t, k).Decide(request("GET", "/v1/posts", opaqueToken)); d.Reason != InvalidKey || k.asked != 0 {
			t.Errorf("Decide = %s after %d look-ups", d.Reason, k.asked)
		}
	})
}
