package access

import (
	"fmt"
	"strings"
	"testing"
)

// The alphabets as their rules have them, written out, so that tests can walk all
// bytes there are.
const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	letters      = lowerLetters + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
)

// form is the form of a text: the characters it may begin with, those that may
// stand between, and those it may end with.
type form struct {
	name                 string
	first, between, last string
	accepts              func(string) bool
}

// mapped reports whether a route may have a pattern.
func mapped(pattern string, imported bool) bool {
	r := Route{Methods: []string{"GET"}, Pattern: pattern, Access: Public, Imported: imported}
	return r.Check() == nil
}

func credentialOf(authorization, keyHeader string) (token string, reason Reason) {
	q := &Request{}
	if authorization != "" {
		q.Authorization = []string{authorization}
	}
	if keyHeader != "" {
		q.KeyHeader = []string{keyHeader}
	}
	token, reason, _ = credential("patra", q, nil)
	return token, reason
}

var forms = func() []form {
	const (
		hostChars   = lowerLetters + digits + "-_"
		literal     = letters + digits + "-._~!$&'()+,=:@"
		bearerToken = letters + digits + "-._~+/"
		schemeName  = letters + digits + "!#$%&'*+-.^_`|~"
	)
	origin := func(before, after string) func(string) bool {
		return func(s string) bool { return ValidOrigin(before + s + after) }
	}
	pattern := func(before, after string, imported bool) func(string) bool {
		return func(s string) bool { return mapped(before+s+after, imported) }
	}
	return []form{
		{"scheme of an origin", lowerLetters, lowerLetters + digits + "+-.", lowerLetters + digits + "+-.", origin("", "://shop.example")},
		{"host", hostChars, hostChars + ".", hostChars + ".", origin("https://", "")},
		{"host before a port", hostChars, hostChars + ".", hostChars + ".", origin("https://", ":8080")},
		{"last label of a host", hostChars, hostChars + ".", hostChars + ".", origin("https://one.", "")},
		{"IPv6 address", "abcdef" + digits + ":", "abcdef" + digits + ":", "abcdef" + digits + ":", origin("http://[::", "]")},
		{"literal", strings.ReplaceAll(literal, ":", ""), literal + "/", literal + "/", pattern("/", "", false)},
		{"imported literal", literal, literal + "/", literal + "/", pattern("/", "", true)},
		{"literal before a name", strings.ReplaceAll(literal, ":", ""), literal + "/", literal + "/", pattern("/", "{id}", false)},
		{"literal behind a name", literal + "/", literal + "/", literal + "/", pattern("/{id}", "", false)},
		{"name", letters, letters + digits + "-_", letters + digits + "-_", pattern("/{", "}", false)},
		{"name of Caddy's", letters + digits + "-_.", letters + digits + "-_.", letters + digits + "-_.", pattern("/{http.", "}", false)},
		{"token behind Bearer", bearerToken, bearerToken, bearerToken + "=", func(s string) bool {
			token, reason := credentialOf("Bearer "+s, "")
			return reason == Allowed && token == s
		}},
		{"token in a header for keys", bearerToken, bearerToken, bearerToken + "=", func(s string) bool {
			token, reason := credentialOf("", s)
			return reason == Allowed && token == s
		}},
		{"scheme of a credential", schemeName, schemeName + " ", schemeName + " ", func(s string) bool {
			_, reason := credentialOf(s, "")
			return reason == MissingKey
		}},
		{"scheme of a credential for the backend", schemeName, schemeName + " ", schemeName + " ", func(s string) bool {
			token, reason := credentialOf(s, testToken)
			return reason == Allowed && token == testToken
		}},
		{"path", letters + digits + "-._~!$&'()*+,=:@[]", letters + digits + "-._~!$&'()*+,=:@[]/", letters + digits + "-._~!$&'()*+,=:@[]/", func(s string) bool { return CheckPath("/"+s) == "" }},
	}
}()

// Every byte, as the first, a middle and the last character, is accepted where
// the rule has it, and nowhere else.
func TestAlphabets(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for at, alphabet := range []string{f.first, f.between, f.last} {
				for c := range 256 {
					text := []byte("aaa")
					text[at] = byte(c)
					if want, got := strings.IndexByte(alphabet, byte(c)) >= 0, f.accepts(string(text)); got != want {
						t.Errorf("%q is accepted: %t", text, got)
					}
				}
			}
		})
	}
}

// Escapes have two digits of either case, and no byte beside these.
func TestHexadecimalDigits(t *testing.T) {
	isHex := func(c int) bool { return strings.IndexByte(digits+"abcdefABCDEF", byte(c)) >= 0 }
	for high := range 256 {
		for low := range 256 {
			path := "/a%" + string([]byte{byte(high), byte(low)}) + "b"
			if want, got := isHex(high) && isHex(low), CheckPath(path) != pathBadEscape; got != want {
				t.Errorf("%q has an escape: %t", path, got)
			}
		}
	}
}

// Every port is accepted that there is, in one way to write it.
func TestEveryPort(t *testing.T) {
	for port := range 70_000 {
		want := port >= 1 && port <= 65535
		for _, host := range []string{"https://shop.de", "http://[::1]"} {
			if got := ValidOrigin(fmt.Sprintf("%s:%d", host, port)); got != want {
				t.Fatalf("port %d is accepted: %t", port, got)
			}
		}
		if ValidOrigin(fmt.Sprintf("https://shop.de:0%d", port)) {
			t.Fatalf("port 0%d is accepted", port)
		}
	}
	for c := range 256 {
		for at := range 4 {
			port := []byte("8080")
			port[at] = byte(c)
			want := c >= '0' && c <= '9' && (at > 0 || c != '0')
			if got := ValidOrigin("https://shop.de:" + string(port)); got != want {
				t.Errorf("port %q is accepted: %t", port, got)
			}
		}
	}
}

// Each length and number is accepted up to its bound, and no more.
func TestBounds(t *testing.T) {
	route := func(change func(r *Route, n int)) func(int) bool {
		return func(n int) bool {
			r := Route{Methods: []string{"GET"}, Pattern: "/a", Access: Public}
			change(&r, n)
			return r.Check() == nil
		}
	}
	repeat := func(n int) string { return strings.Repeat("z", n) }
	numbered := func(n int) (scopes []string) {
		for i := range n {
			scopes = append(scopes, fmt.Sprintf("a:z%d", i))
		}
		return scopes
	}
	for _, tt := range []struct {
		name        string
		least, most int
		accepts     func(n int) bool
	}{
		{"segment", 0, 255, func(n int) bool { return mapped("/"+repeat(n), false) }},
		{"segment inside", 1, 255, func(n int) bool { return mapped("/a/"+repeat(n)+"/a", false) }},
		{"segment with a name", 0, 251, func(n int) bool { return mapped("/{id}"+repeat(n), false) }},
		{"pattern", 1, 1024, func(n int) bool { return mapped(strings.Repeat("/aaaaaaa", 130)[:n], false) }},
		{"cost", 0, 1000, route(func(r *Route, n int) { r.Cost = n })},
		{"cost of a denied route", 0, 1, route(func(r *Route, n int) { r.Access, r.Cost = Denied, n })},
		{"scopes", 1, 64, route(func(r *Route, n int) { r.Access, r.Scopes = Scoped, Scopes{numbered(n)} })},
		{"alternatives", 1, 16, route(func(r *Route, n int) {
			r.Access = Scoped
			for _, scope := range numbered(n) {
				r.Scopes = append(r.Scopes, []string{scope})
			}
		})},
		{"origin", 1, 512 - len("https://"), func(n int) bool { return ValidOrigin("https://" + repeat(n)) }},
		{"IPv6 address", 0, 37, func(n int) bool { return ValidOrigin("https://[::" + strings.Repeat("f", n) + "]") }},
		{"key", 1, 4096, func(n int) bool { _, reason := credentialOf("", repeat(n)); return reason == Allowed }},
		{"bearer", 1, 4096 - len("Bearer "), func(n int) bool { _, reason := credentialOf("Bearer "+repeat(n), ""); return reason == Allowed }},
		{"scheme of a credential", 1, 4096, func(n int) bool { _, reason := credentialOf(repeat(n)+" x", ""); return reason == MissingKey }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := range tt.most + 5 {
				if want, got := n >= tt.least && n <= tt.most, tt.accepts(n); got != want {
					t.Errorf("%d are accepted: %t", n, got)
				}
			}
		})
	}
	for colons := range 10 {
		if want, got := colons >= 2, ValidOrigin("https://["+strings.Repeat("a:", colons)+"a]"); got != want {
			t.Errorf("an address with %d colons is accepted: %t", colons, got)
		}
	}
	for n := range 70 {
		want := fmt.Sprintf("%q", repeat(n))
		if n > 64 {
			want = fmt.Sprintf("%q…", repeat(64))
		}
		if got := quote(repeat(n)); got != want {
			t.Errorf("%d characters are quoted as %s", n, got)
		}
	}
}

// No method is one but those that are listed.
func TestEveryMethod(t *testing.T) {
	listed := strings.Split("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY", ", ")
	seen := make(map[method]bool)
	for _, name := range listed {
		m, ok := parseMethod(name)
		if !ok || seen[m] {
			t.Errorf("%s is %d, %t", name, m, ok)
		}
		seen[m] = true
		for _, other := range []string{strings.ToLower(name), name + " ", name[1:], name + "S", name[:len(name)-1], "X" + name} {
			if m, ok := parseMethod(other); ok || m != 0 {
				t.Errorf("%q is %d, %t", other, m, ok)
			}
		}
	}
	for _, other := range []string{"", "*", "CONNECT", "TRACE"} {
		if _, ok := parseMethod(other); ok {
			t.Errorf("%q is a method", other)
		}
	}
}
