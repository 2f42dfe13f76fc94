package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// What a key opened is that key's alone: no shared cache may keep it, unless the
// backend itself has said that it may.
func TestAnswersToKeysArePrivate(t *testing.T) {
	site := newCachedSite(t)
	for name, test := range map[string]struct {
		backend []string
		want    string // fields, joined with a line end
	}{
		"nothing said":                      {nil, "private"},
		"an empty field":                    {[]string{""}, "private"},
		"commas alone":                      {[]string{" , ,"}, "private,  , ,"},
		"fresh for a while":                 {[]string{"max-age=60"}, "private, max-age=60"},
		"in two fields":                     {[]string{"max-age=60", "must-revalidate"}, "private, max-age=60, must-revalidate"},
		"no-cache":                          {[]string{"no-cache"}, "private, no-cache"},
		"private":                           {[]string{"private"}, "private"},
		"private among others":              {[]string{"max-age=60,private"}, "max-age=60,private"},
		"private in another field":          {[]string{"max-age=60", "private"}, "max-age=60\nprivate"},
		"private in another case":           {[]string{"PrIvAtE ,max-age=60"}, "PrIvAtE ,max-age=60"},
		"private between spaces and tabs":   {[]string{"max-age=60 ,\t private \t"}, "max-age=60 ,\t private \t"},
		"private, for a field only":         {[]string{`private="set-cookie", max-age=60`}, `private, private="set-cookie", max-age=60`},
		"private, for a field as a token":   {[]string{"private=set-cookie"}, "private, private=set-cookie"},
		"private, for nothing":              {[]string{`private=""`}, `private, private=""`},
		"private with an empty argument":    {[]string{"private="}, "private, private="},
		"no-store":                          {[]string{"no-store"}, "no-store"},
		"no-store with an argument":         {[]string{"no-store=x"}, "private, no-store=x"},
		"public":                            {[]string{"Public, max-age=60"}, "Public, max-age=60"},
		"public with an argument":           {[]string{"public=x"}, "private, public=x"},
		"s-maxage":                          {[]string{"s-maxage=60"}, "s-maxage=60"},
		"s-maxage in another case":          {[]string{"max-age=1, S-MaxAge=0"}, "max-age=1, S-MaxAge=0"},
		"s-maxage quoted":                   {[]string{`s-maxage="60"`}, `s-maxage="60"`},
		"s-maxage without a number":         {[]string{"s-maxage"}, "private, s-maxage"},
		"s-maxage with another argument":    {[]string{"s-maxage=-1"}, "private, s-maxage=-1"},
		"s-maxage of nothing":               {[]string{`s-maxage=""`}, `private, s-maxage=""`},
		"public inside a quoted string":     {[]string{`ext="public", max-age=60`}, `private, ext="public", max-age=60`},
		"a comma inside a quoted string":    {[]string{`ext="a, public, b"`}, `private, ext="a, public, b"`},
		"an escaped quote inside of one":    {[]string{`ext="\", public, \""`}, `private, ext="\", public, \""`},
		"a backslash at its end":            {[]string{`ext="\\", public`}, `ext="\\", public`},
		"after a quoted string":             {[]string{`ext="a", public`}, `ext="a", public`},
		"a string that does not end":        {[]string{`ext="a, public`}, `private, ext="a, public`},
		"nor goes on in the next field":     {[]string{`ext="a`, `public`}, `private, ext="a, public`},
		"a name that begins so":             {[]string{"publicly, privately, no-stored, s-maxages=1"}, "private, publicly, privately, no-stored, s-maxages=1"},
		"a name that ends so":               {[]string{"x-public, not-private, x-no-store"}, "private, x-public, not-private, x-no-store"},
		"two words":                         {[]string{"public private"}, "private, public private"},
		"a semicolon for a comma":           {[]string{"max-age=60; public"}, "private, max-age=60; public"},
		"a space around the equals sign":    {[]string{"s-maxage = 60"}, "private, s-maxage = 60"},
		"an argument that is called public": {[]string{"ext=public"}, "private, ext=public"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(site.answer(t, "/v1/posts", "Cache-Control", test.backend)["Cache-Control"], "\n"); got != test.want {
				t.Errorf("Cache-Control: %q, want %q", got, test.want)
			}
			if got := site.answer(t, "/v1/status", "Cache-Control", test.backend)["Cache-Control"]; !slices.Equal(got, test.backend) {
				t.Errorf("on a public route Cache-Control is %q, want the backend's %q", got, test.backend)
			}
		})
	}
}

// Answers differ by the credential, which caches in front see.
func TestAnswersToKeysVaryByCredential(t *testing.T) {
	site := newCachedSite(t)
	for name, test := range map[string]struct {
		backend []string
		want    string
		public  string
	}{
		"nothing said":       {nil, "Origin\nAuthorization, X-Key", "Origin"},
		"another":            {[]string{"Accept"}, "Accept\nOrigin, Authorization, X-Key", "Accept\nOrigin"},
		"one of them":        {[]string{"authorization"}, "authorization\nOrigin, X-Key", "authorization\nOrigin"},
		"two of them":        {[]string{"Accept, ORIGIN", "x-key"}, "Accept, ORIGIN\nx-key\nAuthorization", "Accept, ORIGIN\nx-key"},
		"all of them":        {[]string{"X-Key,Authorization , Origin"}, "X-Key,Authorization , Origin", "X-Key,Authorization , Origin"},
		"everything":         {[]string{"*"}, "*", "*"},
		"everything, second": {[]string{"Accept, *"}, "Accept, *", "Accept, *"},
		"a part of a name":   {[]string{"X-Authorization, X-Key-Id"}, "X-Authorization, X-Key-Id\nOrigin, Authorization, X-Key", "X-Authorization, X-Key-Id\nOrigin"},
	} {
		t.Run(name, func(t *testing.T) {
			for path, want := range map[string]string{"/v1/posts": test.want, "/v1/status": test.public} {
				if got := strings.Join(site.answer(t, path, "Vary", test.backend)["Vary"], "\n"); got != want {
					t.Errorf("%s: Vary: %q, want %q", path, got, want)
				}
			}
		})
	}
}

// cachedSite is a handler with a key.
type cachedSite struct {
	h     *Handler
	token string
}

func newCachedSite(t *testing.T) *cachedSite {
	t.Helper()
	h := provisioned(t, &Handler{Header: "X-Key"})
	_, token := storeKey(t, h, func(k *apikey.Key) { k.Limits = plenty })
	return &cachedSite{h, token}
}

// answer returns the header of an answer of a backend that sets one of its
// fields. What one answer is told is not in the next.
func (s *cachedSite) answer(t *testing.T, path, name string, values []string) http.Header {
	t.Helper()
	var first http.Header
	for range 2 {
		w := httptest.NewRecorder()
		next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			if values != nil {
				w.Header()[name] = slices.Clone(values)
			}
			_, err := w.Write([]byte("served"))
			return err
		})
		if err := s.h.ServeHTTP(w, httpRequest("GET", path, http.Header{"X-Key": {s.token}}), next); err != nil {
			t.Fatal(err)
		}
		header := w.Result().Header
		if first != nil && !slices.Equal(first[name], header[name]) {
			t.Errorf("the second answer has %q, the first %q", header[name], first[name])
		}
		first = header
		for _, values := range w.Header() { // as a handler around Keygate may do
			for i := range values {
				values[i] = "changed"
			}
		}
	}
	return first
}

// Refusals are nobody's to keep.
func TestRefusalsAreNotStored(t *testing.T) {
	h := provisioned(t, new(Handler))
	_, token := storeKey(t, h, nil)
	for _, header := range []http.Header{{}, {"Authorization": bearer(token)}} {
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, httpRequest("GET", "/v1/nothing", header), new(backendFunc)); err != nil {
			t.Fatal(err)
		}
		if got := w.Header()["Cache-Control"]; !slices.Equal(got, []string{"no-store"}) {
			t.Errorf("Cache-Control: %q", got)
		}
	}
}
