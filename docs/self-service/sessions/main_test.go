package main

import (
	"html"
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

// Whoever signs in goes back to where they came from, and never to another site,
// whatever a link to the form says.
func TestTheWayBack(t *testing.T) {
	s := newService(map[string]user{"ada": {Password: hashed([]byte("0123456789abcdef"), "secret")}}, time.Now)
	ask := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		return w
	}
	hiddenIn := func(w *httptest.ResponseRecorder) string {
		_, hidden, _ := strings.Cut(w.Body.String(), `name="from" value="`)
		hidden, _, _ = strings.Cut(hidden, `"`)
		return html.UnescapeString(hidden)
	}
	for from, want := range map[string]string{
		"":                              home,
		"/":                             "/",
		"/settings/keys.html":           "/settings/keys.html",
		home + "/new?sort=name&status=": home + "/new?sort=name&status=",
		"/x?to=https://evil.example":    "/x?to=https://evil.example",
		"/%2F%2Fevil.example":           "/%2F%2Fevil.example",
		"/" + strings.Repeat("x", 1000): home,
		"settings":                      home,
		"//evil.example":                home,
		"///evil.example":               home,
		`/\evil.example`:                home,
		`\\evil.example`:                home,
		"/\t/evil.example":              home,
		"/\n/evil.example":              home,
		" //evil.example":               home,
		"https://evil.example":          home,
		"https:evil.example":            home,
		"javascript:alert(1)":           home,
		"@evil.example":                 home,
		"/\r\nSet-Cookie: session=x":    home,
	} {
		page := httptest.NewRequest("GET", "/session", nil)
		for name, value := range map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Uri": from, "Accept": "text/html"} {
			page.Header.Set(name, value)
		}
		form := ask(page).Header().Get("Location")
		if want := "/sign-in?" + (url.Values{"from": {from}}).Encode(); form != want {
			t.Errorf("%q: the form is at %q, want %q", from, form, want)
		}
		if got := hiddenIn(ask(httptest.NewRequest("GET", form, nil))); got != want {
			t.Errorf("%q: the form has %q, want %q", from, got, want)
		}
	}
	for from, want := range map[string]string{"/settings/keys.html": "/settings/keys.html", "/..//evil.example": "/evil.example", "//evil.example": home} {
		signIn := func(password string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/sign-in", strings.NewReader(url.Values{"name": {"ada"}, "password": {password}, "from": {from}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return ask(r)
		}
		if w := signIn("secret"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("from %q: %d to %q, want %q", from, w.Code, w.Header().Get("Location"), want)
		}
		if w := signIn("wrong"); w.Code != http.StatusForbidden || hiddenIn(w) != wayBack(from) {
			t.Errorf("from %q with a wrong password: %d %s", from, w.Code, w.Body)
		}
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
