package fronts

import (
	"net/http"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
)

func read(t *testing.T, mode, prefix string, h http.Header, method, uri string) (asked string, ok bool) {
	t.Helper()
	f, err := New(mode, prefix)
	if err != nil {
		t.Fatal(err)
	}
	q := access.Request{Method: "X", Path: "/x", Query: "x"}
	ok = f.Read(&q, h, method, uri)
	return q.Method + " " + q.Path + " ? " + q.Query, ok
}

func TestRead(t *testing.T) {
	fields := func(method, uri string) http.Header {
		return http.Header{"X-Forwarded-Method": {method}, "X-Forwarded-Uri": {uri}}
	}
	tests := []struct {
		name, mode, prefix string
		header             http.Header
		uri                string
		want               string // "": not a question
	}{
		{"headers", "forward_auth", "", fields("GET", "/v1/a%2fb?c?d"), "/ask", "GET /v1/a%2fb ? c?d"},
		{"another's headers", "auth_request", "", fields("GET", "/v1/a"), "/ask", ""},
		{"no headers", "forward_auth", "", nil, "/v1/a", ""},
		{"two of one", "forward_auth", "", http.Header{"X-Forwarded-Method": {"GET", "GET"}, "X-Forwarded-Uri": {"/v1/a"}}, "/ask", ""},

		{"its own", "ext_authz", "", fields("GET", "/v1/other"), "/v1/a%2fb?c?d", "PUT /v1/a%2fb ? c?d"},
		{"below", "ext_authz", "/authz", nil, "/authz/v1/a?/authz/b", "PUT /v1/a ? /authz/b"},
		{"the root below", "ext_authz", "/authz", nil, "/authz/", "PUT / ? "},
		{"the prefix again", "ext_authz", "/authz", nil, "/authz/authz/a", "PUT /authz/a ? "},
		{"two slashes stay", "ext_authz", "/authz", nil, "/authz//a", "PUT //a ? "},
		{"dots stay", "ext_authz", "/authz", nil, "/authz/../a", "PUT /../a ? "},
		{"deeper", "ext_authz", "/a/authz", nil, "/a/authz/b", "PUT /b ? "},
		{"a URI that is not a path", "ext_authz", "", nil, "http://x/v1/a", "PUT http://x/v1/a ? "},
		{"the prefix alone", "ext_authz", "/authz", nil, "/authz", ""},
		{"the prefix and a query", "ext_authz", "/authz", nil, "/authz?a=/b", ""},
		{"a longer segment", "ext_authz", "/authz", nil, "/authzz/v1/a", ""},
		{"no prefix", "ext_authz", "/authz", nil, "/v1/a", ""},
		{"behind something", "ext_authz", "/authz", nil, "/v1/authz/a", ""},
		{"encoded", "ext_authz", "/authz", nil, "/%61uthz/v1/a", ""},
		{"an encoded slash", "ext_authz", "/authz", nil, "/authz%2fv1/a", ""},
		{"another case", "ext_authz", "/authz", nil, "/AUTHZ/v1/a", ""},
		{"another slash", "ext_authz", "/authz", nil, "//authz/v1/a", ""},
		{"a backslash", "ext_authz", "/authz", nil, "/authz\\v1/a", ""},
		{"dots before", "ext_authz", "/authz", nil, "/./authz/v1/a", ""},
		{"an asterisk", "ext_authz", "/authz", nil, "/authz*", ""},
		{"nothing", "ext_authz", "/authz", nil, "", ""},
		{"absolute", "ext_authz", "/authz", nil, "http://x/authz/v1/a", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked, ok := read(t, test.mode, test.prefix, test.header, "PUT", test.uri)
			if ok != (test.want != "") || ok && asked != test.want {
				t.Errorf("%s is asked (%t), want %q", asked, ok, test.want)
			}
		})
	}
}

// What is asked about is the rest of the bytes behind the prefix, whatever they
// are; and what does not begin with it and a slash is no question.
func FuzzPrefix(f *testing.F) {
	for _, uri := range []string{"/authz/v1/posts?a=b", "/authz", "/%61uthz/a", "//authz/a", "/authz/%2e%2e/a?b#c"} {
		f.Add(uri)
	}
	front, err := New("ext_authz", "/authz")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		var q access.Request
		ok := front.Read(&q, nil, "GET", uri)
		if ok != strings.HasPrefix(uri, "/authz/") {
			t.Fatalf("%q is a question: %t", uri, ok)
		}
		if !ok {
			return
		}
		whole := "/authz" + q.Path
		if strings.Contains(uri, "?") {
			whole += "?" + q.Query
		}
		if whole != uri || q.Method != "GET" {
			t.Errorf("%q is read as %s %s", uri, q.Method, whole)
		}
	})
}

func TestPrefixesThatAreRefused(t *testing.T) {
	for _, prefix := range []string{"/", "/a/", "a", "//a", "/a//b", "/.", "/a/..", "/a%20b", "/%61", "/a b", "/a?b", "/a#b", "/a;b", "/{env.A}", "/a*\x00", "/ä"} {
		if _, err := New("ext_authz", prefix); err == nil || !strings.Contains(err.Error(), "such as /authz") {
			t.Errorf("%q: error %v", prefix, err)
		}
	}
	if err := CheckPrefix(""); err == nil {
		t.Error("an empty one is accepted where one is written")
	}
	for _, mode := range []string{"", "forward_auth", "auth_request"} {
		if _, err := New(mode, "/authz"); err == nil || !strings.Contains(err.Error(), "ext_authz") {
			t.Errorf("%q with a prefix: error %v", mode, err)
		}
	}
}

func TestAccepts(t *testing.T) {
	for _, test := range []struct{ mode, prefix, want string }{
		{"forward_auth", "", "that send X-Forwarded-Method and X-Forwarded-Uri, once each."},
		{"auth_request", "", "that send X-Original-Method and X-Original-Uri, once each."},
		{"ext_authz", "/authz", "about paths that follow /authz."},
		{"ext_authz", "", "only proxies in trusted_proxies."},
	} {
		f, err := New(test.mode, test.prefix)
		if err != nil || !strings.HasSuffix(f.Accepts(), test.want) || !f.Asks() || f.Own() != (test.mode == "ext_authz") {
			t.Errorf("%s %s: %q, %v", test.mode, test.prefix, f.Accepts(), err)
		}
	}
	if f, err := New("", ""); err != nil || f.Asks() || f.Own() {
		t.Errorf("without a mode: %+v, %v", f, err)
	}
}
