package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSessions(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newService(map[string]user{"ada": {Workspace: "acme", Role: "admin", Password: hashed([]byte("0123456789abcdef"), "secret")}}, func() time.Time { return now })
	h := s.handler()
	ask := func(method, path, cookie, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if cookie != "" {
			r.Header.Set("Cookie", cookieName+"="+cookie)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	signIn := func(name, password string) *httptest.ResponseRecorder {
		return ask("POST", "/sign-in", "", url.Values{"name": {name}, "password": {password}}.Encode())
	}
	for name, password := range map[string]string{"ada": "wrong", "grace": "secret", "": ""} {
		if w := signIn(name, password); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("%q with %q: %d %v", name, password, w.Code, w.Result().Cookies())
		}
	}
	w := signIn("ada", "secret")
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("signing in: %d %v", w.Code, cookies)
	}
	cookie := cookies[0].Value
	if w := ask("GET", "/session", cookie, ""); w.Code != http.StatusNoContent || w.Header().Get("X-User") != "ada" || w.Header().Get("X-Workspace") != "acme" || w.Header().Get("X-Role") != "admin" {
		t.Errorf("signed in: %d %v", w.Code, w.Header())
	}
	for _, other := range []string{"", "x", cookie + "x", strings.ToLower(cookie)} {
		if w := ask("GET", "/session", other, ""); w.Code != http.StatusUnauthorized || w.Header().Get("X-User") != "" {
			t.Errorf("with the cookie %q: %d %v", other, w.Code, w.Header())
		}
	}
	now = now.Add(lifetime)
	if w := ask("GET", "/session", cookie, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("after %v: %d", lifetime, w.Code)
	}
	cookie = signIn("ada", "secret").Result().Cookies()[0].Value
	ask("POST", "/sign-out", cookie, "")
	if w := ask("GET", "/session", cookie, ""); w.Code != http.StatusUnauthorized || len(s.sessions) > 0 {
		t.Errorf("signed out: %d, %d sessions", w.Code, len(s.sessions))
	}
}

func TestOtherSitesSignNobodyIn(t *testing.T) {
	s := newService(nil, time.Now)
	r := httptest.NewRequest("POST", "/sign-in", strings.NewReader("name=ada&password=secret"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
		t.Errorf("a form of another site: %d %v", w.Code, w.Header())
	}
}
