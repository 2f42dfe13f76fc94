package access

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckPathAccepts(t *testing.T) {
	for _, p := range []string{
		"/",
		"/v1/posts",
		"/v1/posts/",
		"/v1/posts/7Hk2Qp9aX3bC",
		"/v1/.well-known/...a",
		"/v1/a.b/..c/d..",
		"/v1/-._~!$&'()*+,=:@[]",
		"/v1/a%20b%22c",
		"/v1/a%40d%3ae",
		"/v1/%5B0%5D",
		"/v1/%C3%BCber/%e2%82%ac/%F0%9F%98%80",
		"/v1/%EF%BF%BD",
		"/v1/a%C2%A0+b",
		"/v1/+1",
		"/v1/%EF%BC%81", // a full-width !
	} {
		t.Run(p, func(t *testing.T) {
			if problem := CheckPath(p); problem != "" {
				t.Errorf("CheckPath(%q) = %q; want it accepted", p, problem)
			}
		})
	}
}

func TestCheckPathRefuses(t *testing.T) {
	for p, want := range map[string]string{
		"":                    pathNotAbsolute,
		"*":                   pathNotAbsolute,
		"v1/posts":            pathNotAbsolute,
		"http://h/v1":         pathNotAbsolute,
		"//":                  pathEmptySegment,
		"//h/v1":              pathEmptySegment,
		"/v1//posts":          pathEmptySegment,
		"/v1/posts//":         pathEmptySegment,
		"/.":                  pathDotSegment,
		"/v1/./posts":         pathDotSegment,
		"/v1/../posts":        pathDotSegment,
		"/v1/..":              pathDotSegment,
		"/v1/../":             pathDotSegment,
		"/v1/.../a":           pathBlankSegment,
		"/v1/....":            pathBlankSegment,
		"/v1/%20/":            pathBlankSegment,
		"/v1/.%20.":           pathBlankSegment,
		"/v1/+":               pathBlankSegment,
		"/v1/%2B":             pathBlankSegment,
		"/v1/%C2%A0":          pathBlankSegment,
		"/v1/%EF%BB%BF":       pathBlankSegment,
		"/v1/%E2%80%A5/a":     pathBlankSegment, // a two dot leader
		"/v1/%EF%BC%8E.":      pathBlankSegment, // a full-width dot
		"/v1/a%EF%BC%8Fb":     pathLookalike,    // full-width / \\ ? # ; %
		"/v1/a%EF%BC%BCb":     pathLookalike,
		"/v1/a%EF%BC%9Fb":     pathLookalike,
		"/v1/a%EF%BC%83b":     pathLookalike,
		"/v1/a%EF%BC%9Bb":     pathLookalike,
		"/v1/a%EF%BC%852Fb":   pathLookalike,
		"/v1/a%CD%BEb":        pathLookalike, // a Greek question mark, which is a semicolon
		"/v1/%E2%84%80":       pathLookalike, // a/c
		`/v1\posts`:           pathBackslash,
		"/v1/%5Cposts":        pathBackslash,
		"/v1/%5cposts":        pathBackslash,
		"/v1;a=b/posts":       pathSemicolon,
		"/v1/..;/posts":       pathSemicolon,
		"/v1%3Ba":             pathSemicolon,
		"/v1%3ba":             pathSemicolon,
		"/v1/a\x00b":          pathControl,
		"/v1/a\tb":            pathControl,
		"/v1/a\r\nb":          pathControl,
		"/v1/a\x7fb":          pathControl,
		"/v1/a%00":            pathControl,
		"/v1/a%0d%0ab":        pathControl,
		"/v1/a%1F":            pathControl,
		"/v1/a%7F":            pathControl,
		"/v1/a%C2%80":         pathControl,
		"/v1/a%c2%9f":         pathControl,
		"/v1/a%":              pathBadEscape,
		"/v1/a%2":             pathBadEscape,
		"/v1/a%2/b":           pathBadEscape,
		"/v1/a%zz":            pathBadEscape,
		"/v1/a%u002f":         pathBadEscape,
		"/v1/%+2":             pathBadEscape,
		"/v1/%FF":             pathBadUTF8,
		"/v1/%C3":             pathBadUTF8,
		"/v1/%C3x":            pathBadUTF8,
		"/v1/%C3%":            pathBadUTF8,
		"/v1/%80":             pathBadUTF8,
		"/v1/%C0%AF":          pathBadUTF8, // an overlong slash
		"/v1/%C0%AE%C0%AE":    pathBadUTF8, // overlong dots
		"/v1/%E0%80%AF":       pathBadUTF8,
		"/v1/%ED%A0%80":       pathBadUTF8, // a surrogate
		"/v1/%F4%90%80%80":    pathBadUTF8,
		"/v1%2Fposts":         pathEncodedSlash,
		"/v1%2fposts":         pathEncodedSlash,
		"/v1/%25":             pathEncodedPercent,
		"/v1/%252e%252e":      pathEncodedPercent,
		"/v1/%252F":           pathEncodedPercent,
		"/v1/%25252F":         pathEncodedPercent,
		"/v1/a%3Fb":           pathEncodedQuestion,
		"/v1/a%3fb":           pathEncodedQuestion,
		"/v1/a%23":            pathEncodedHash,
		"/v1/%253f":           pathEncodedPercent,
		"/v1/%2e%2e/posts":    pathEncodedUnreserved,
		"/v1/%2E/posts":       pathEncodedUnreserved,
		"/v1/.%2e/posts":      pathEncodedUnreserved,
		"/v1/p%6Fsts":         pathEncodedUnreserved,
		"/v1/%41":             pathEncodedUnreserved,
		"/v1/%30":             pathEncodedUnreserved,
		"/v1/%7E":             pathEncodedUnreserved,
		"/v1/%5F":             pathEncodedUnreserved,
		"/v1/%2D":             pathEncodedUnreserved,
		"/v1/posts?a=b":       pathUnencoded,
		"/v1/posts#a":         pathUnencoded,
		"/v1/a b":             pathUnencoded,
		`/v1/"`:               pathUnencoded,
		"/v1/<a>":             pathUnencoded,
		"/v1/a|b":             pathUnencoded,
		"/v1/{id}":            pathUnencoded,
		"/v1/über":            pathUnencoded,
		"/v1/\xff":            pathUnencoded,
		"/v1/\u0085":          pathUnencoded,
		"/v1/a/../\x00":       pathDotSegment, // the first problem counts
		"/v1/posts/%2e%2e%00": pathEncodedUnreserved,
	} {
		t.Run(p, func(t *testing.T) {
			if problem := CheckPath(p); problem != want {
				t.Errorf("CheckPath(%q) = %q; want %q", p, problem, want)
			}
		})
	}
}

// Every byte, raw and percent-encoded, against the rules of RFC 3986 and of the
// design.
func TestCheckPathEveryByte(t *testing.T) {
	for c := range 256 {
		b := string([]byte{byte(c)})
		raw := strings.Contains(pathChars+"[]/", b)
		if got := CheckPath("/a"+b) == ""; got != raw {
			t.Errorf("CheckPath accepts %q: %v; want %v", b, got, raw)
		}
		encoded := c > 0x1f && c < 0x7f && !strings.Contains(unreserved+`/\%;?#`, b)
		escape := "%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15])
		for _, e := range []string{escape, strings.ToLower(escape)} {
			if got := CheckPath("/a"+e) == ""; got != encoded {
				t.Errorf("CheckPath accepts %q: %v; want %v", e, got, encoded)
			}
		}
	}
}

// What passes is one path to every reader: whoever decodes it once, twice or
// not at all, cleans it, or parses it as a URL.
func FuzzCheckPath(f *testing.F) {
	for _, p := range []string{
		"/", "/v1/posts", "/v1/posts/", "/v1/a%20b", "/v1/%C3%BCber", "/v1/a%23b", "/v1/b%3Fc", "/v1/[0]", "//", "/v1/../x", "/v1/%2e%2e/x", "/v1/%252e",
		"/v1/%2F", "/v1/..;/x", `/v1\x`, "/v1/%5c", "/v1/%C0%AF", "/v1/%00", "/v1/%C2%85", "/v1/p%6fsts", "/v1/%", "/v1/x?y#z", "/v1/...", "/v1/.x./x..",
	} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if CheckPath(p) != "" {
			return
		}
		segments := strings.Split(p, "/")
		for i, raw := range segments {
			s, err := url.PathUnescape(raw)
			if err != nil {
				t.Fatalf("%q does not decode: %v", raw, err)
			}
			if again, err := url.PathUnescape(s); err != nil || again != s {
				t.Fatalf("%q decodes to %q, and that to %q (%v)", raw, s, again, err)
			}
			if (s == "") != (i == 0 || i == len(segments)-1 && raw == "") || s == "." || s == ".." {
				t.Fatalf("%q has the segment %q", p, s)
			}
			if !utf8.ValidString(s) || strings.ContainsAny(s, `/\;%?#`) || strings.ContainsFunc(s, isControl) {
				t.Fatalf("%q has the segment %q", p, s)
			}
			for j := 0; j+2 < len(raw); j++ {
				if raw[j] != '%' {
					continue
				}
				if c, err := url.PathUnescape(raw[j : j+3]); err != nil || strings.Contains(unreserved, c) {
					t.Fatalf("%q encodes %q", raw, c)
				}
			}
		}
		decoded, err := url.PathUnescape(p)
		if err != nil || strings.Count(decoded, "/") != strings.Count(p, "/") {
			t.Fatalf("%q decodes to %q (%v), with other segments", p, decoded, err)
		}
		for _, s := range []string{p, decoded} {
			if c := path.Clean(s); c != s && c+"/" != s {
				t.Fatalf("%q is cleaned to %q", s, c)
			}
		}
		u, err := url.ParseRequestURI(p)
		if err != nil || u.EscapedPath() != p || u.Path != decoded || u.RawQuery != "" || u.Host != "" {
			t.Fatalf("%q is read as the URL %#v (%v)", p, u, err)
		}
	})
}
