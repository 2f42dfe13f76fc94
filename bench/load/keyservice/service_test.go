package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const token = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"

const line = "ffab2d96cfd3d547afe679a2c77b1fc1d6cdb69fa195825ef2059b479ee39637 7Hk2Qp9aX3bC 2 media:upload posts:read"

func TestService(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := &service{keys: map[[32]byte]*key{}, now: func() time.Time { return now }}
	if err := s.add(line); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, token, method, uri string
		after                    time.Duration
		want                     int
	}{
		{"no key", "", "GET", "/v1/posts/1", 0, 401},
		{"unknown", token + "x", "GET", "/v1/posts/1", 0, 401},
		{"a scope it lacks", token, "POST", "/v1/posts/1/approve", 0, 403},
		{"no route", token, "GET", "/v1/media/1", 0, 403},
		{"no route for the method", token, "DELETE", "/v1/posts/1", 0, 403},
		{"the first", token, "GET", "/v1/posts/1?a=/approve", 0, 200},
		{"the second", token, "GET", "/v1/posts/2", 0, 200},
		{"the third", token, "GET", "/v1/posts/3", 0, 429},
		{"in the next minute", token, "GET", "/v1/posts/3", time.Minute, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			now = now.Add(test.after)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("X-Forwarded-Method", test.method)
			r.Header.Set("X-Forwarded-Uri", test.uri)
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != test.want || (w.Header().Get("X-Key-Id") == "7Hk2Qp9aX3bC") != (test.want == 200) {
				t.Errorf("%d with %v", w.Code, w.Header())
			}
		})
	}
}

func TestAddRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no hash": "xx id 1", "a short hash": "ffab id 1", "no limit": line[:64] + " id posts:read",
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{keys: map[[32]byte]*key{}}
			if err := s.add(text); err == nil || len(s.keys) > 0 {
				t.Errorf("%d keys, %v", len(s.keys), err)
			}
		})
	}
}
