package access

import (
	"strings"
	"testing"
)

// A query is the backend's own business, but no reader may take a part of it
// for the end of the request line, or decode its bytes in a way of its own.
func TestQueryOnEveryByte(t *testing.T) {
	for c := range 256 {
		want := ""
		switch {
		case c == ' ':
			want = querySpace
		case c < ' ' || c == 0x7f:
			want = queryControl
		case c > 0x7f:
			want = queryNotASCII
		}
		b := string([]byte{byte(c)})
		for _, query := range []string{b, b + "a=1", "a=1" + b, "a=1&b=" + b + "&c=%20%ff"} {
			if got := checkQuery(query); got != want {
				t.Errorf("checkQuery(%q) = %q, want %q", query, got, want)
			}
		}
	}
	for _, query := range []string{"", "a", "?", "a=1&a=2;b=%00%zz%", "a=/../;/\\#?{}|\"<>^`"} {
		if got := checkQuery(query); got != "" {
			t.Errorf("checkQuery(%q) = %q; want it accepted", query, got)
		}
	}
	for _, detail := range []string{querySpace, queryControl, queryNotASCII} {
		if !strings.Contains(detail, "query") || !strings.Contains(detail, "ercent-encode") {
			t.Errorf("the detail %q does not say where and what to do", detail)
		}
	}
}

// The path is judged first, then the query, and both before preflights and
// public routes.
func TestQueriesAreShape(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	token, _ := k.add(t, nil)
	for name, test := range map[string]struct {
		method, path, query string
		preflight           bool
		reason              Reason
		detail              string
	}{
		"fine":      {"GET", "/v1/posts", "a=%20", false, Allowed, ""},
		"space":     {"GET", "/v1/posts", "a= HTTP/1.0", false, AmbiguousPath, querySpace},
		"both":      {"GET", "/v1//posts", "a= ", false, AmbiguousPath, pathEmptySegment},
		"public":    {"GET", "/v1/status", "\xff", false, AmbiguousPath, queryNotASCII},
		"preflight": {"OPTIONS", "/v1/posts", "\n", true, AmbiguousPath, queryControl},
		"method":    {"TRACE", "/v1/posts", "\n", false, MethodNotAllowed, ""},
		"no route":  {"GET", "/v1/nothing", " ", false, AmbiguousPath, querySpace},
	} {
		t.Run(name, func(t *testing.T) {
			q := request(test.method, test.path, token)
			q.Query = test.query
			if test.preflight {
				q.Origins, q.RequestMethod = []string{"https://shop.example"}, []string{"GET"}
			}
			if d := p.Decide(q); d.Reason != test.reason || d.Detail != test.detail {
				t.Errorf("Decide = %s, %q; want %s, %q", d.Reason, d.Detail, test.reason, test.detail)
			}
			agrees(t, p, q)
		})
	}
}
