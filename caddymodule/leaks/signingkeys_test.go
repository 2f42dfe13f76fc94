package leaks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// publisher has the keys of a sender under an address.
type publisher struct {
	mu     sync.Mutex
	answer string
	status int
	asked  int
	clock  time.Time
}

func newSigningKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pemOf is the public half of a key, as services list it.
func pemOf(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (p *publisher) publish(t *testing.T, ids ...string) {
	t.Helper()
	type member struct {
		ID  string `json:"key_identifier"`
		Key string `json:"key"`
	}
	var list []member
	for _, id := range ids {
		list = append(list, member{id, pemOf(t, newSigningKey(t))})
	}
	answer, err := json.Marshal(map[string]any{"public_keys": list})
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.status = string(answer), 200
}

func startPublisher(t *testing.T) (*publisher, *signingKeys) {
	t.Helper()
	p := &publisher{clock: time.Unix(1_800_000_000, 0)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		if p.status >= 300 && p.status < 400 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(p.status)
		_, _ = w.Write([]byte(p.answer))
	}))
	t.Cleanup(server.Close)
	return p, newSigningKeys(server.URL, func() time.Time { return p.clock })
}

// Keys are fetched when they are needed: at first, when they are old, and when one is
// asked for that is not known, but not more than once a minute.
func TestSigningKeysAreKept(t *testing.T) {
	p, k := startPublisher(t)
	p.publish(t, "a")
	find := func(id string, want error, asked int) {
		t.Helper()
		key, err := k.find(t.Context(), id, zap.NewNop())
		if !errors.Is(err, want) || (key != nil) != (want == nil) || p.asked != asked {
			t.Errorf("find(%s): %v, asked %d times; want %v, %d", id, err, p.asked, want, asked)
		}
	}
	find("a", nil, 1)
	for range 100 { // anybody can name keys
		find("b", errUnknownKey, 1)
	}
	p.publish(t, "b")
	p.clock = p.clock.Add(fetchEvery - 1)
	find("b", errUnknownKey, 1)
	p.clock = p.clock.Add(1)
	find("b", nil, 2)
	find("a", errUnknownKey, 2) // it was withdrawn
	p.clock = p.clock.Add(keysKept - 1)
	find("b", nil, 2)
	p.clock = p.clock.Add(1)
	find("b", nil, 3)
	p.clock = p.clock.Add(-24 * time.Hour) // a clock that is set back
	find("c", errUnknownKey, 4)
}

// The last good ones stay good, whatever comes in place of others.
func TestSigningKeysOutliveTheirEndpoint(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"429": {429, ""}, "an error": {500, "x"}, "a redirect": {302, ""}, "nothing": {200, ""}, "another form": {200, "[]"}, "no keys": {200, `{"public_keys":[]}`},
		"keys of another kind": {200, `{"public_keys":[{"key_identifier":"a","key":"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}]}`},
		"too much":             {200, `{"public_keys":[` + strings.Repeat(" ", maxKeys) + `]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p, k := startPublisher(t)
			p.answer, p.status = answer.body, answer.status
			if _, err := k.find(t.Context(), "a", zap.NewNop()); !errors.Is(err, errNoKeys) {
				t.Errorf("without any: %v", err)
			}
			p.publish(t, "a")
			p.clock = p.clock.Add(fetchEvery)
			if _, err := k.find(t.Context(), "a", zap.NewNop()); err != nil {
				t.Fatal(err)
			}
			p.mu.Lock()
			p.answer, p.status = answer.body, answer.status
			p.mu.Unlock()
			for range 3 {
				p.clock = p.clock.Add(keysKept)
				if _, err := k.find(t.Context(), "a", zap.NewNop()); err != nil {
					t.Errorf("later: %v", err)
				}
			}
			if p.asked != 5 {
				t.Errorf("asked %d times", p.asked)
			}
		})
	}
}
