package main

import (
	"bufio"
	"bytes"
	"maps"
	"net/http"
	"testing"
)

func TestRender(t *testing.T) {
	fetched := http.Header{
		"Accept": {"*/*"}, "Accept-Language": {"*"}, "Sec-Fetch-Mode": {"cors"}, "User-Agent": {"node"},
		"Accept-Encoding": {"gzip, deflate"}, "Connection": {"keep-alive"},
	}
	for name, test := range map[string]struct {
		method, token string
		origins       []string
		more          http.Header
	}{
		"bare":    {"GET", "", nil, nil},
		"a token": {"GET", "patra_x", nil, http.Header{"Authorization": {"Bearer patra_x"}}},
		"origins": {"GET", "", []string{"https://a.example", "https://b.example"}, http.Header{"Origin": {"https://a.example"}}},
		"no body": {"POST", "", nil, http.Header{"Content-Length": {"0"}}},
	} {
		t.Run(name, func(t *testing.T) {
			reader := bufio.NewReader(bytes.NewReader(render(test.method, "/v1/posts/1", test.token, test.origins)))
			r, err := http.ReadRequest(reader)
			if err != nil {
				t.Fatal(err)
			}
			if r.Method != test.method || r.RequestURI != "/v1/posts/1" || r.Host != "gateway" || reader.Buffered() > 0 {
				t.Errorf("%s %s at %s, and %d bytes more", r.Method, r.RequestURI, r.Host, reader.Buffered())
			}
			want := maps.Clone(fetched)
			maps.Copy(want, test.more)
			if !maps.EqualFunc(r.Header, want, func(a, b []string) bool { return len(a) == 1 && a[0] == b[0] }) {
				t.Errorf("headers are %v, want %v", r.Header, want)
			}
		})
	}
}
