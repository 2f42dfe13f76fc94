package console

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// Browsers restore what was typed when somebody goes back to a form, if it may be
// kept and its fields may be filled in.
func TestFormsMayBeKept(t *testing.T) {
	s := newSite(t)
	path := "/keys/" + s.has(1).String()
	for form, least := range map[string]int{"/new": 3, path + "/edit": 3, path + "/explain": 3, path + "/rotate": 3, path + "/delete": 2, path + "/revoke": 1} {
		got := s.get(form).want(http.StatusOK)
		if cache := got.header.Get("Cache-Control"); cache != "private, no-cache" {
			t.Errorf("%s: Cache-Control %q", form, cache)
		}
		fields := 0
		for _, n := range append(got.elements("input"), got.elements("textarea")...) {
			fields++
			if attr(n, "autocomplete") == "off" {
				t.Errorf("%s: %s is not restored", form, attr(n, "name"))
			}
		}
		if fields < least {
			t.Errorf("%s has %d fields", form, fields)
		}
	}
	for _, other := range []string{"/", path} {
		if cache := s.get(other).header.Get("Cache-Control"); cache != "no-store" {
			t.Errorf("%s: Cache-Control %q", other, cache)
		}
	}
	made := s.do(http.MethodPost, path+"/rotate", url.Values{"overlap": {"24h"}}).want(http.StatusOK)
	if cache := made.header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("the answer with a token: Cache-Control %q", cache)
	}
}

// A form is taken from this site alone, and only as a form.
func TestFormsComeFromThisSite(t *testing.T) {
	s := newSite(t)
	id := s.has(1).String()
	create := url.Values{"step": {"create"}, "name": {"n"}, "scopes": {"posts:read"}, "expiry": {"30"}, "nonce": {"0123456789abcdef"}}
	for path, form := range map[string]url.Values{"/new": create, "/keys/" + id + "/revoke": {}, "/keys/" + id + "/delete": {"confirm": {"Key number 1"}}, "/keys/" + id + "/rotate": {}, "/keys/" + id + "/disable": {}} {
		for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			s.do(http.MethodPost, path, form, header...).want(http.StatusForbidden, "came from another site")
		}
		s.do(http.MethodPost, path, form, "Content-Type", "text/plain").want(http.StatusUnsupportedMediaType)
		s.do(http.MethodPost, path, form, "Content-Type", "multipart/form-data; boundary=x").want(http.StatusUnsupportedMediaType)
		long := maps.Clone(form)
		long.Set("description", strings.Repeat("x", maxForm))
		s.post(path, long).want(http.StatusRequestEntityTooLarge)
	}
	if k := s.key(id); s.count() != 1 || !k.RevokedAt.IsZero() || k.Disabled || !k.ReplacedBy.IsZero() {
		t.Errorf("%d keys, %+v", s.count(), k)
	}
	s.do(http.MethodPost, "/keys/"+id+"/disable", url.Values{}, "Sec-Fetch-Site", "same-origin").want(http.StatusSeeOther)
}

// A token in an address is refused, and not repeated.
func TestTokenInAddress(t *testing.T) {
	s := newSite(t)
	token, _, _ := apikey.Generate("patra")
	for _, path := range []string{"/?q=" + token, "/keys/" + token, "/new?preset=" + token, "/?q=" + strings.ReplaceAll(token, "_", "%5F"), "/workspaces?name=" + token} {
		s.get(path).want(http.StatusBadRequest, "whole key in the address").lacks(token)
	}
}
