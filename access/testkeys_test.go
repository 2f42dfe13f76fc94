package access

import (
	"net/netip"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// keys is a store in memory.
type keys struct {
	grants map[apikey.ID]apikey.Grant
	opaque map[apikey.Hash]apikey.ID
	err    error
	asked  int
}

func (k *keys) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	k.asked++
	g, ok := k.grants[id]
	return g, ok, k.err
}

func (k *keys) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	k.asked++
	id, ok := k.opaque[hash]
	return id, k.grants[id], ok, k.err
}

func (k *keys) HasOpaque() bool { return len(k.opaque) > 0 }

// addOpaque makes a key with a token of another system.
func (k *keys) addOpaque(t testing.TB, token string, change func(*apikey.Key)) apikey.ID {
	t.Helper()
	hash := apikey.HashToken(token)
	_, id := k.add(t, func(key *apikey.Key) {
		key.Hash = hash
		if change != nil {
			change(key)
		}
	})
	if k.opaque == nil {
		k.opaque = make(map[apikey.Hash]apikey.ID)
	}
	k.opaque[hash] = id
	return id
}

// add makes a key with a new token.
func (k *keys) add(t testing.TB, change func(*apikey.Key)) (token string, id apikey.ID) {
	t.Helper()
	token, id, hash := apikey.Generate("patra")
	key := apikey.Key{ID: id, Hash: hash, Workspace: "acme", Name: "test", Scopes: []string{"posts:read"}}
	if change != nil {
		change(&key)
	}
	if err := key.Normalize(); err != nil {
		t.Fatal(err)
	}
	grant, err := key.Grant()
	if err != nil {
		t.Fatal(err)
	}
	k.grants[id] = grant
	return token, id
}

func newKeys() *keys { return &keys{grants: make(map[apikey.ID]apikey.Grant)} }

func testPolicy(t testing.TB, k *keys) *Policy {
	return &Policy{Brand: "patra", Keys: k, CORS: true, Table: mustTable(t,
		Route{Methods: []string{"GET"}, Pattern: "/v1/posts", Scopes: AllOf("posts:read")},
		Route{Methods: []string{"POST"}, Pattern: "/v1/posts", Scopes: AllOf("posts:write")},
		Route{Methods: []string{"POST"}, Pattern: "/v1/posts/with-media", Scopes: AllOf("posts:write", "media:upload")},
		Route{Methods: []string{"*"}, Pattern: "/v1/queue/live", Scopes: AllOf("posts:read"), WebSocket: true},
		Route{Methods: []string{"GET"}, Pattern: "/v1/me", Access: Authenticated},
		Route{Methods: []string{"OPTIONS"}, Pattern: "/v1/me", Access: Authenticated},
		Route{Methods: []string{"GET"}, Pattern: "/v1/status", Access: Public},
		Route{Methods: []string{"GET"}, Pattern: "/v1/status/live", Access: Public, WebSocket: true},
		Route{Methods: []string{"*"}, Pattern: "/v1/posts/closed", Access: Denied},
	)}
}

func request(method, path, token string) *Request {
	q := &Request{Method: method, Path: path, Client: netip.MustParseAddr("203.0.113.7"), Now: now}
	if token != "" {
		q.Authorization = []string{"Bearer " + token}
	}
	return q
}
