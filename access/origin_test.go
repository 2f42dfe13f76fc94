package access

import (
	"net/url"
	"strings"
	"testing"
)

func TestValidOrigin(t *testing.T) {
	longest := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 61) // 253 bytes
	for origin, want := range map[string]bool{
		"https://shop.example":          true,
		"http://shop.example":           true,
		"https://shop.example:8443":     true,
		"https://shop.example:65535":    true,
		"http://localhost":              true,
		"http://localhost:3000":         true,
		"http://203.0.113.7:8080":       true,
		"http://[::1]":                  true,
		"http://[2001:db8::7]:8080":     true,
		"https://xn--bcher-kva.example": true,
		"https://my_shop.example":       true,
		"https://shop.example.":         true,
		"capacitor://localhost":         true,
		"app://.":                       true,
		"app://-":                       true,
		"app://..":                      false,
		"app://.:80":                    false,
		"moz-extension://0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9": true,
		"ionic://localhost":                         true,
		"chrome-extension://abcdefghijklmnop":       true,
		"moz-extension://0f3b1a-44":                 true,
		"https://" + longest:                        true,
		"":                                          false,
		"null":                                      false,
		"*":                                         false,
		"https":                                     false,
		"https:":                                    false,
		"https://":                                  false,
		"//shop.example":                            false,
		"://shop.example":                           false,
		"shop.example":                              false,
		"https:shop.example":                        false,
		"https:/shop.example":                       false,
		"https://shop.example/":                     false,
		"https://shop.example/path":                 false,
		"https://shop.example?q":                    false,
		"https://shop.example#f":                    false,
		"https://user@shop.example":                 false,
		"https://user:pass@shop.example":            false,
		"HTTPS://shop.example":                      false,
		"https://Shop.example":                      false,
		"https://*.shop.example":                    false,
		"https://shop..example":                     false,
		"https://.shop.example":                     false,
		"https://.":                                 false,
		"https://shop.example:":                     false,
		"https://shop.example:0":                    false,
		"https://shop.example:080":                  false,
		"https://shop.example:65536":                false,
		"https://shop.example:123456":               false,
		"https://shop.example:80:80":                false,
		"https://shop.example:http":                 false,
		"https://shop.example:-1":                   false,
		"https://:8080":                             false,
		"https://shop.example https://a":            false,
		"https://shop.example, https://a":           false,
		"https://shop.example,https://a":            false,
		" https://shop.example":                     false,
		"https://shop.example ":                     false,
		"https://shop.example\r\nX: y":              false,
		"https://shop.example\x00":                  false,
		"https://bücher.example":                    false,
		"https://b%C3%BCcher.example":               false,
		`https://shop.example\@a`:                   false,
		"https://[::1":                              false,
		"https://::1]":                              false,
		"https://::1":                               false,
		"https://[]":                                false,
		"https://[1]":                               false,
		"https://[::1]x":                            false,
		"https://[::1]:":                            false,
		"https://[::1%25eth0]":                      false,
		"https://[::G]":                             false,
		"https://[" + strings.Repeat(":", 40) + "]": false,
		"1https://shop.example":                     false,
		"ht tps://shop.example":                     false,
		"https://" + strings.Repeat("a", 505):       false,
	} {
		t.Run(origin, func(t *testing.T) {
			if got := ValidOrigin(origin); got != want {
				t.Errorf("ValidOrigin(%q) = %v; want %v", origin, got, want)
			}
		})
	}
}

// What passes is a URL of a scheme and a host and nothing else, and safe in a
// header.
func FuzzValidOrigin(f *testing.F) {
	for _, s := range []string{
		"https://shop.example", "http://[2001:db8::7]:8080", "capacitor://localhost", "null", "https://user@shop.example", "https://a/b", "https://a:99999",
		"https://a.b.:1", "HTTPS://a", "https://a, https://b", "https://[::1]a", "a+b-c.d://e", "https://a\r\nb",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !ValidOrigin(s) {
			return
		}
		if len(s) > maxOriginLen || s != strings.ToLower(s) || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-+._:/[]") != "" {
			t.Fatalf("%q passes", s)
		}
		u, err := url.Parse(s)
		if err != nil {
			// What only looks like an IPv6 address.
			if strings.Contains(s, "[") {
				return
			}
			t.Fatalf("%q passes and is no URL: %v", s, err)
		}
		if u.Scheme+"://"+u.Host != s || u.Hostname() == "" || u.User != nil {
			t.Fatalf("%q passes and is read as %#v", s, u)
		}
	})
}
