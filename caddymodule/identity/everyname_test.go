package identity

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/headers"
)

// tokenBytes are all that a header name may have (RFC 9110 §5.6.2).
const tokenBytes = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// environmentName is the variable that CGI-like servers make of a header
// (RFC 3875 §4.1.18): all that is neither letter nor digit becomes _.
func environmentName(name string) string {
	b := []byte(strings.ToUpper(name))
	for i, c := range b {
		if (c < 'A' || 'Z' < c) && (c < '0' || '9' < c) {
			b[i] = '_'
		}
	}
	return "HTTP_" + string(b)
}

// respelled are the names with another byte at the place of one dash, of all
// dashes, and with that byte in front, behind, and in the middle.
func respelled(name string, b byte) (names []string) {
	s := string(b)
	names = append(names, s+name, name+s, name[:2]+s+name[2:], strings.ReplaceAll(name, "-", s), strings.ReplaceAll(name, "-", s+s))
	for i := range len(name) {
		names = append(names, name[:i]+s+name[i+1:])
	}
	return names
}

// No name of a client makes a variable that stands for a header that Keygate
// sets or removes.
func TestStripEverySpelling(t *testing.T) {
	const prefix, keyHeader = "X-Acme-Co-", "X_api.Key"
	id := New(prefix, keyHeader)
	ours := []string{prefix, prefix + "Workspace", prefix + "Key-Id", prefix + "Scopes", prefix + strings.Repeat("Long-", 30), keyHeader}
	for name := range headers.Removed {
		ours = append(ours, name)
	}
	caddys := map[string]bool{} // which go on, and are Caddy's to replace
	for name, why := range headers.Removed {
		caddys[name] = why == headers.Alias
	}
	taken := make(map[string]bool)
	for _, name := range ours {
		taken[environmentName(name)] = true
	}
	r := requestWith(make(http.Header))
	for _, name := range ours {
		for _, b := range []byte(tokenBytes) {
			for _, spelling := range respelled(name, b) {
				r.Header[spelling] = []string{"evil"}
				id.Strip(r, false, false)
				stays := r.Header[spelling] != nil && !caddys[strings.ToLower(spelling)]
				delete(r.Header, spelling)
				if !stays {
					continue
				}
				if env := environmentName(spelling); taken[env] || strings.HasPrefix(env, environmentName(prefix)) {
					t.Errorf("%s is still there, and is %s to a backend", spelling, env)
				}
			}
		}
	}
}

// A name with another byte than letters, digits, - and the two that Caddy keeps
// only where it is told to is nobody's, wherever the byte is.
func TestStripOddNames(t *testing.T) {
	id := New("Socialpatra-", "")
	r := requestWith(make(http.Header))
	for c := range 256 {
		b := string([]byte{byte(c)})
		stays := strings.Contains(tokenBytes, b) && !strings.Contains("!#$%&'*+^`|~", b)
		for _, beside := range []struct {
			before, behind string
			most           int // bytes of a name
		}{{"q", "Q", 70}, {"1", "-", 9}, {"1", "1", 9}} {
			for length := 1; length <= beside.most; length++ {
				for at := range length {
					name := strings.Repeat(beside.before, at) + b + strings.Repeat(beside.behind, length-at-1)
					r.Header[name] = []string{"x"}
					id.Strip(r, true, false)
					if (r.Header[name] != nil) != stays {
						t.Fatalf("%q stays: %v, want %v", name, !stays, stays)
					}
					delete(r.Header, name)
				}
			}
		}
	}
}

// A token or an identity does not go on because its header means something else
// as well.
func TestStripNamesOfTwoMeanings(t *testing.T) {
	for _, tt := range []struct{ prefix, keyHeader, name string }{
		{"Socialpatra-", "X-Real-Ip", "X-Real-Ip"},
		{"Socialpatra-", "X-Forwarded-For", "X-Forwarded-For"},
		{"X-Real-", "", "X-Real-Ip"},
		{"X-Forwarded-", "", "X-Forwarded-For"},
	} {
		id := New(tt.prefix, tt.keyHeader)
		headers := http.Header{tt.name: {"evil"}, strings.ReplaceAll(tt.name, "-", "_"): {"evil"}}
		id.Strip(requestWith(headers), true, false)
		if len(headers) > 0 {
			t.Errorf("%+v: %v is still there", tt, headers)
		}
	}
}

// What an operator expects with _ or ., and is not ours, stays.
func TestStripExpectedNames(t *testing.T) {
	id := New("Socialpatra-", "X-Api-Key")
	for _, name := range []string{"My_header", "My.header", "_", "X_forwarded_port", "X_api_keys", "Socialpatra", "X_socialpatra_workspace", "X-" + strings.Repeat("Long_", 30)} {
		headers := http.Header{name: {"x"}}
		id.Strip(requestWith(headers), false, false)
		if headers[name] == nil {
			t.Errorf("%s is gone", name)
		}
	}
}

func BenchmarkStripNames(b *testing.B) {
	id := New("Socialpatra-", "X-Api-Key")
	for _, n := range []int{2, 8, 30} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			headers := make(http.Header)
			for i := range n {
				headers[[]string{"Accept", "Sec-Fetch-Mode", "Upgrade-Insecure-Requests", "Dnt", "User-Agent"}[i%5]+strings.Repeat("-X", i/5)] = []string{"x"}
			}
			r := requestWith(headers)
			b.ReportAllocs()
			for b.Loop() {
				id.Strip(r, false, false)
			}
		})
	}
}
