package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/bench/internal/keyset"
)

const (
	usedKeys  = 10_000
	spentKeys = 100 // more keys, which may do one request a day
)

// What the backend answers otherwise than the rest.
const (
	streamPath = "/v1/analytics/events" // needs the scope analytics:read
	socketPath = "/v1/queue/live"       // needs queue:read
)

// unheld is a scope that no key holds.
const unheld = "posts:approve"

// requests are rendered beforehand, one for each key, so that sending them
// costs next to nothing.
type requests struct {
	keys                                              int // in the store
	good, badChecksum, unknown, wrongScope, overLimit [][]byte
	noKey                                             []byte
	streams, sockets                                  [][]byte     // of the keys that may
	credentials                                       []credential // of the keys in the store, for other gateways
}

// rewritten returns the same requests with each changed.
func (r *requests) rewritten(f func([]byte) []byte) *requests {
	changed := *r
	changed.noKey = f(r.noKey)
	for _, list := range []*[][]byte{&changed.good, &changed.badChecksum, &changed.unknown, &changed.wrongScope, &changed.overLimit} {
		before := *list
		*list = make([][]byte, len(before))
		for i, request := range before {
			(*list)[i] = f(request)
		}
	}
	return &changed
}

// line is a line of an import.
type line struct {
	apikey.Record
	Disabled bool   `json:"disabled"`
	Hash     string `json:"hash"`
}

// makeKeys writes keys for an import and returns what is sent with them. Their
// tokens are in memory alone.
func makeKeys(path string) (*requests, error) {
	set, others := keyset.Set{N: usedKeys + spentKeys, Seed: 1}, keyset.Set{N: usedKeys, Seed: 2}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	enc := json.NewEncoder(out)
	r := &requests{keys: set.N, noKey: render(http.MethodGet, "/v1/posts/1", "", nil)}
	now := time.Now()
	for i := range set.N {
		k, err := set.Key(i)
		if err != nil {
			return nil, err
		}
		if err := usable(&k, now); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		token := set.Token(i)
		read := fmt.Sprintf("/v1/posts/%d", i)
		if i < usedKeys {
			if slices.Contains(k.Scopes, "analytics:read") {
				r.streams = append(r.streams, render(http.MethodGet, streamPath, token, k.AllowedOrigins))
			}
			if slices.Contains(k.Scopes, "queue:read") {
				r.sockets = append(r.sockets, renderUpgrade(token, k.AllowedOrigins))
			}
			r.good = append(r.good, render(http.MethodGet, read, token, k.AllowedOrigins))
			r.badChecksum = append(r.badChecksum, render(http.MethodGet, read, mistyped(token), k.AllowedOrigins))
			r.unknown = append(r.unknown, render(http.MethodGet, read, others.Token(i), k.AllowedOrigins))
			r.wrongScope = append(r.wrongScope, render(http.MethodPost, read+"/approve", token, k.AllowedOrigins))
		} else {
			k.Limits.PerDay = 1
			r.overLimit = append(r.overLimit, render(http.MethodGet, read, token, k.AllowedOrigins))
		}
		r.credentials = append(r.credentials, credential{token, k.ID.String(), k.Scopes, i >= usedKeys})
		if err := enc.Encode(line{k.Record(now, time.Time{}), k.Disabled, "sha256:" + hex.EncodeToString(k.Hash[:])}); err != nil {
			return nil, err
		}
	}
	if err := out.Flush(); err != nil {
		return nil, err
	}
	return r, file.Close()
}

// usable makes a key one that may read posts from here, as often as it likes.
// What rules it has stay, and are checked.
func usable(k *apikey.Key, now time.Time) error {
	k.RevokedAt, k.Disabled = time.Time{}, false
	if !k.ExpiresAt.IsZero() {
		k.ExpiresAt = now.AddDate(1, 0, 0)
	}
	if len(k.AllowedIPs) > 0 {
		k.AllowedIPs = append(k.AllowedIPs, "127.0.0.0/8")
	}
	k.Scopes = slices.DeleteFunc(k.Scopes, func(s string) bool { return s == unheld || s == "posts:read" })
	k.Scopes = append(k.Scopes, "posts:read")
	k.Limits = apikey.Limits{PerMinute: apikey.MaxPerMinute, PerDay: apikey.MaxPerDay, Burst: apikey.MaxPerMinute}
	return k.Normalize()
}

// mistyped changes the last character of a token.
func mistyped(token string) string {
	last := len(token) - 1
	if token[last] == '0' {
		return token[:last] + "1"
	}
	return token[:last] + "0"
}
