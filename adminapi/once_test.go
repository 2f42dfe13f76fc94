package adminapi

import (
	"strings"
	"sync"
	"testing"

	"github.com/socialpatra/keygate/keystore"
)

// A creation with an Idempotency-Key is made once, also if it is sent many times
// at once, and also after its key was deleted.
func TestCreateOnce(t *testing.T) {
	s := serveAPI(t)
	const body = `{"workspace":"acme","name":"n","scopes":["posts:read"]}`
	var sent sync.WaitGroup
	answers := make([]reply, 20)
	for i := range answers {
		sent.Go(func() { answers[i] = s.send("POST /keygate/keys", body, OnceHeader, "5b0c0e7a-8d3f-4f6e") })
	}
	sent.Wait()
	made := 0
	var id string
	for _, answer := range answers {
		if answer.status == 201 {
			made++
			_, id, _ = strings.Cut(answer.body, `"id":"`)
			id = id[:12]
		}
	}
	if made != 1 {
		t.Fatalf("%d of 20 were made", made)
	}
	for _, answer := range answers {
		if answer.status != 201 {
			answer.want(t, 409, id)
		}
	}
	page, err := s.store.List(keystore.Query{})
	if err != nil || len(page.Keys) != 1 {
		t.Fatalf("%d keys, %v", len(page.Keys), err)
	}
	s.send("DELETE /keygate/keys/"+id, "").want(t, 204)
	s.send("POST /keygate/keys", body, OnceHeader, "5b0c0e7a-8d3f-4f6e").want(t, 409, id)
	for name, headers := range map[string][]string{
		"another value":     {OnceHeader, "5b0c0e7a-8d3f-4f6f"},
		"another actor":     {OnceHeader, "5b0c0e7a-8d3f-4f6e", ByHeader, "lee"},
		"nothing about it":  {},
		"the longest value": {OnceHeader, strings.Repeat("~", 200)},
	} {
		t.Run(name, func(t *testing.T) { s.send("POST /keygate/keys", body, headers...).want(t, 201) })
	}
	other := strings.Replace(body, "acme", "globex", 1)
	s.send("POST /keygate/keys", other, OnceHeader, "5b0c0e7a-8d3f-4f6e").want(t, 201)
	for _, value := range []string{"", "short", strings.Repeat("x", 201), "0123456789abcde\u00fc", "0123456789\tabcdef", wholeToken} {
		if got := s.send("POST /keygate/keys", body, OnceHeader, value).want(t, 400, OnceHeader); strings.Contains(got.body, wholeToken[19:]) {
			t.Errorf("the token is repeated: %s", got.body)
		}
	}
}
