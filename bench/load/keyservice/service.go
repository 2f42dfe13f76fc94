package main

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// service answers what Caddy asks: 200 and the key's ID, or what the client gets.
type service struct {
	keys map[[sha256.Size]byte]*key // only read
	now  func() time.Time
}

type key struct {
	id     []string // as the header has it
	scopes []string
	limit  int

	mu     sync.Mutex
	minute int64 // since 1970
	used   int   // in that minute
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	k := s.keys[sha256.Sum256([]byte(token))]
	switch {
	case k == nil:
		w.WriteHeader(http.StatusUnauthorized)
	case !slices.Contains(k.scopes, needed(r.Header.Get("X-Forwarded-Method"), r.Header.Get("X-Forwarded-Uri"))):
		w.WriteHeader(http.StatusForbidden)
	case !k.take(s.now()):
		w.WriteHeader(http.StatusTooManyRequests)
	default:
		w.Header()["X-Key-Id"] = k.id
	}
}

// take counts a request, and tells whether the key may do it.
func (k *key) take(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if minute := now.Unix() / 60; minute != k.minute {
		k.minute, k.used = minute, 0
	}
	k.used++
	return k.used <= k.limit
}

// needed is the scope that a request needs, which no key has if it is "".
func needed(method, uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	switch {
	case !strings.HasPrefix(path, "/v1/posts/"):
	case method == http.MethodGet:
		return "posts:read"
	case method == http.MethodPost && strings.HasSuffix(path, "/approve"):
		return "posts:approve"
	}
	return ""
}
