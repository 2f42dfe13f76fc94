package apikey

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseOrigin(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	for s, want := range map[string]string{
		"https://shop.example":             "https://shop.example",
		"HTTPS://Shop.Example":             "https://shop.example",
		"https://shop.example:443":         "https://shop.example",
		"http://shop.example:80":           "http://shop.example",
		"http://shop.example:443":          "http://shop.example:443",
		"https://shop.example:80":          "https://shop.example:80",
		"https://shop.example:08443":       "https://shop.example:8443",
		"https://shop.example:65535":       "https://shop.example:65535",
		"https://shop.example.":            "https://shop.example",
		"https://shop.example.:8443":       "https://shop.example:8443",
		"http://localhost:3000":            "http://localhost:3000",
		"https://my_shop.example":          "https://my_shop.example",
		"https://r3---sn.example":          "https://r3---sn.example",
		"https://bücher.example":           "https://xn--bcher-kva.example",
		"https://BÜCHER.example":           "https://xn--bcher-kva.example",
		"https://XN--BCHER-KVA.example":    "https://xn--bcher-kva.example",
		"https://faß.example":              "https://xn--fa-hia.example",
		"https://shop。example":             "https://shop.example",
		"https://" + label63 + ".example":  "https://" + label63 + ".example",
		"https://*.shop.example":           "https://*.shop.example",
		"https://*.Shop.Example.:443":      "https://*.shop.example",
		"https://*.bücher.example:8443":    "https://*.xn--bcher-kva.example:8443",
		"http://127.0.0.1:3000":            "http://127.0.0.1:3000",
		"http://127.0.0.1.":                "http://127.0.0.1",
		"http://１２７.0.0.1":                 "http://127.0.0.1",
		"http://[::1]:3000":                "http://[::1]:3000",
		"http://[2001:DB8:0:0:0:0:0:7]":    "http://[2001:db8::7]",
		"https://[::ffff:203.0.113.7]:443": "https://[::ffff:cb00:7107]",
		"https://[::ffff:cb00:7107]:443":   "https://[::ffff:cb00:7107]",
		"https://0x7f.example":             "https://0x7f.example",
		"https://1.example":                "https://1.example",
	} {
		t.Run(s, func(t *testing.T) {
			o, err := ParseOrigin(s)
			if err != nil {
				t.Fatal(err)
			}
			if o.String() != want {
				t.Errorf("got %s, want %s", o, want)
			}
		})
	}
}

func TestParseOriginRefuses(t *testing.T) {
	const accepted = "; accepted: http:// or https://, a host, and :port unless it is the default, such as https://shop.example or https://*.shop.example"
	const scheme = "; accepted: http, https, or of apps and extensions chrome-extension, moz-extension, capacitor, ionic, tauri, app"
	const notHost = " has a host that is not a name or address" + accepted
	label64 := strings.Repeat("a", 64)
	for _, tt := range []struct{ in, want string }{
		{"", "an entry is empty" + accepted},
		{"*", `"*" is every origin; accepted: an empty allowed_origins to allow every origin`},
		{"null", `"null" is what sandboxed pages and local files send, so it tells nothing` + accepted},
		{"NULL", `"null" is what sandboxed pages and local files send, so it tells nothing` + accepted},
		{strings.Repeat("a", 1025), "an entry has 1025 bytes" + accepted},

		{"shop.example", `"shop.example" has no scheme (did you mean https://shop.example?)`},
		{"*.shop.example", `"*.shop.example" has no scheme (did you mean https://*.shop.example?)`},
		{"Localhost:3000", `"Localhost:3000" has no scheme (did you mean https://localhost:3000?)`},
		{"//shop.example", `"//shop.example" is not an origin` + accepted},
		{"https:/shop.example", `"https:/shop.example" is not an origin` + accepted},
		{"ftp://shop.example", `"ftp://shop.example" has a scheme that is not accepted` + scheme},
		{"*://shop.example", `"*://shop.example" has a scheme that is not accepted` + scheme},
		{" https://shop.example", `" https://shop.example" has a scheme that is not accepted` + scheme},

		{"https://shop.example/", `"https://shop.example/" has a path (leave out the path: https://shop.example)`},
		{"https://Shop.example:443/a?b#c", `"https://Shop.example:443/a?b#c" has a path (leave out the path: https://shop.example)`},
		{`https://shop.example\a`, `"https://shop.example\\a" has a path (leave out the path: https://shop.example)`},
		{"https://shop.example?a", `"https://shop.example?a" has a query (leave out the query: https://shop.example)`},
		{"https://shop.example#a", `"https://shop.example#a" has a fragment (leave out the fragment: https://shop.example)`},
		{"https://shop..example/", `"https://shop..example/" has a path` + accepted},
		{"https:///", `"https:///" has a path` + accepted},
		{"https://shop.example/@me", "an entry has a path (leave out the path: https://shop.example)"},
		{"https://ann:secret@shop.example", "an entry has a user name (leave out the user name: https://shop.example)"},
		{"https://ann:secret@shop.example:8443/a", "an entry has a user name (leave out the user name: https://shop.example:8443)"},
		{"https://@shop.example", "an entry has a user name (leave out the user name: https://shop.example)"},
		{"https://ann:secret@", "an entry has a user name" + accepted},
		{"ftp://ann:secret@shop.example", "an entry has a scheme that is not accepted" + scheme},
		{"ann:secret@shop.example", "an entry is not an origin" + accepted},

		{"https://shop.example:", `"https://shop.example:" has a port that is not 1 to 65535` + accepted},
		{"https://shop.example:0", `"https://shop.example:0" has a port that is not 1 to 65535` + accepted},
		{"https://shop.example:65536", `"https://shop.example:65536" has a port that is not 1 to 65535` + accepted},
		{"https://shop.example:+80", `"https://shop.example:+80" has a port that is not 1 to 65535` + accepted},
		{"https://shop.example:*", `"https://shop.example:*" has a port that is not 1 to 65535` + accepted},

		{"https://", `"https://"` + notHost},
		{"https://.", `"https://."` + notHost},
		{"https://:443", `"https://:443"` + notHost},
		{"https://.shop.example", `"https://.shop.example"` + notHost},
		{"https://shop..example", `"https://shop..example"` + notHost},
		{"https://shop.example..", `"https://shop.example.."` + notHost},
		{"https://shop example", `"https://shop example"` + notHost},
		{"https://shop%2eexample", `"https://shop%2eexample"` + notHost},
		{"https://a.example,https://b.example", `"https://a.example,https://b.example" has a path` + accepted},
		{"https://a.example https://b.example", `"https://a.example https://b.example" has a path` + accepted},
		{"https://shop\n.example", `"https://shop\n.example"` + notHost},
		{"https://shop\xff.example", `"https://shop\xff.example" is not valid UTF-8` + accepted},
		{"https://xn--a.example", `"https://xn--a.example"` + notHost},
		{"https://shop\u202e.example", `"https://shop\u202e.example"` + notHost},
		{"https://" + label64 + ".example", `"https://` + label64[:56] + `"… has a host with a label of more than 63 characters` + accepted},
		{"https://" + strings.Repeat("a.", 126) + "aa", `"https://` + strings.Repeat("a.", 28) + `"…` + notHost},

		{"https://*", `"https://*" has a * that is not the whole first label` + accepted},
		{"https://*.", `"https://*."` + notHost},
		{"https://*.example", `"https://*.example" is everything below a top-level domain; accepted: *. before a host of two or more labels, such as https://*.shop.example`},
		{"https://*.example.", `"https://*.example." is everything below a top-level domain; accepted: *. before a host of two or more labels, such as https://*.shop.example`},
		{"https://*shop.example", `"https://*shop.example" has a * that is not the whole first label` + accepted},
		{"https://a.*.example", `"https://a.*.example" has a * that is not the whole first label` + accepted},
		{"https://*.*.shop.example", `"https://*.*.shop.example" has a * that is not the whole first label` + accepted},
		{"https://*.127.0.0.1", `"https://*.127.0.0.1" has a wildcard before an address` + accepted},
		{"https://*.[::1]", `"https://*.[::1]" has a wildcard before an address` + accepted},

		{"http://127.1", `"http://127.1" has a host that is not a full IPv4 address` + accepted},
		{"http://0x7f000001", `"http://0x7f000001" has a host that is not a full IPv4 address` + accepted},
		{"http://127.0.0.0x", `"http://127.0.0.0x" has a host that is not a full IPv4 address` + accepted},
		{"http://127.0.0.01", `"http://127.0.0.01" has a host that is not a full IPv4 address` + accepted},
		{"http://[::1", `"http://[::1"` + notHost},
		{"http://[127.0.0.1]", `"http://[127.0.0.1]" has a host that is not an IPv6 address` + accepted},
		{"http://[fe80::1%25eth0]", `"http://[fe80::1%25eth0]" has a host that is not an IPv6 address` + accepted},
		{"http://::1", `"http://::1"` + notHost},
		{"https://shop.example/" + testToken, "<a token> has a path (leave out the path: https://shop.example)"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			o, err := ParseOrigin(tt.in)
			wantFieldError(t, err, "allowed_origins", tt.want)
			if o != (Origin{}) {
				t.Errorf("returned %v as well", o)
			}
		})
	}
}

func TestOriginMatches(t *testing.T) {
	for _, tt := range []struct {
		allowed, origin string
		want            bool
	}{
		{"https://shop.example", "https://shop.example", true},
		{"https://shop.example", "http://shop.example", false},
		{"https://shop.example", "https://shop.example:443", false},
		{"https://shop.example", "https://shop.example:8443", false},
		{"https://shop.example", "https://shop.example.", false},
		{"https://shop.example", "https://shop.example/", false},
		{"https://shop.example", "https://Shop.example", false},
		{"https://shop.example", "https://a.shop.example", false},
		{"https://shop.example", "https://shop.example.evil.example", false},
		{"https://shop.example", "https://evilshop.example", false},
		{"https://shop.example", "https://shop.example https://evil.example", false},
		{"https://shop.example", "null", false},
		{"https://shop.example", "", false},
		{"https://shop.example:8443", "https://shop.example:8443", true},
		{"https://shop.example:8443", "https://shop.example", false},

		{"https://*.shop.example", "https://a.shop.example", true},
		{"https://*.shop.example", "https://b.a.shop.example", true},
		{"https://*.shop.example", "https://xn--bcher-kva.shop.example", true},
		{"https://*.shop.example", "https://a_b-c.shop.example", true},
		{"https://*.shop.example", "https://shop.example", false},
		{"https://*.shop.example", "https://.shop.example", false},
		{"https://*.shop.example", "https://a..shop.example", false},
		{"https://*.shop.example", "https://.a.shop.example", false},
		{"https://*.shop.example", "https://evilshop.example", false},
		{"https://*.shop.example", "https://evil.example/.shop.example", false},
		{"https://*.shop.example", "https://evil.example#.shop.example", false},
		{"https://*.shop.example", "https://evil.example?.shop.example", false},
		{"https://*.shop.example", `https://evil.example\.shop.example`, false},
		{"https://*.shop.example", "https://evil.example:80.shop.example", false},
		{"https://*.shop.example", "https://ann@a.shop.example", false},
		{"https://*.shop.example", "https://A.shop.example", false},
		{"https://*.shop.example", "https://*.shop.example", false},
		{"https://*.shop.example", "https://a\x00.shop.example", false},
		{"https://*.shop.example", "https://ä.shop.example", false},
		{"https://*.shop.example", "http://a.shop.example", false},
		{"https://*.shop.example", "https://a.shop.example:8443", false},
		{"https://*.shop.example", "https://a.shop.example.evil.example", false},
		{"https://*.shop.example", "a.shop.example", false},
		{"https://*.shop.example", "//a.shop.example", false},
		{"https://*.shop.example", "null", false},
		{"https://*.shop.example", "", false},
		{"https://*.shop.example:8443", "https://a.shop.example:8443", true},
		{"https://*.shop.example:8443", "https://a.shop.example", false},
	} {
		t.Run(tt.allowed+" "+tt.origin, func(t *testing.T) {
			o, err := ParseOrigin(tt.allowed)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.Matches(tt.origin); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if (Origin{}).Matches("") {
		t.Error("the zero Origin matches")
	}
}

func TestOriginMatchesAllocatesNothing(t *testing.T) {
	exact, _ := ParseOrigin("https://shop.example")
	wildcard, _ := ParseOrigin("https://*.shop.example")
	if !exact.Matches("https://shop.example") || !wildcard.Matches("https://a.shop.example") {
		t.Fatal("the origins do not match")
	}
	if n := testing.AllocsPerRun(100, func() {
		exact.Matches("https://shop.example")
		wildcard.Matches("https://a.shop.example")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{
		"https://shop.example", "HTTPS://*.Bücher.example.:443", "http://[::ffff:1.2.3.4]:80", "http://127.0.0.1:3000",
		"https://shop.example/a", "https://u:p@shop.example", "https://xn--a", "null", "*", "shop.example",
		"chrome-extension://" + chromeID, "moz-extension://" + firefoxID, "capacitor://LOCALHOST", "app://.", "app://-", "tauri://*.a.b", "ionic://localhost:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			if o != (Origin{}) {
				t.Errorf("refused %q and returned %v", s, o)
			}
			return
		}
		canonical := o.String()
		if again, err := ParseOrigin(canonical); err != nil || again != o {
			t.Fatalf("%q became %q, which parses to %v, %v", s, canonical, again, err)
		}
		u, err := url.Parse(strings.Replace(canonical, "*", "a", 1))
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != u.String() || strings.ToLower(canonical) != canonical {
			t.Errorf("%q became %q, which is not an origin: %v", s, canonical, err)
		}
		if wildcard := strings.Contains(canonical, "*"); o.Matches(canonical) == wildcard {
			t.Errorf("%q: Matches of itself is %v", canonical, !wildcard)
		} else if wildcard && (!o.Matches(u.String()) || o.Matches(strings.Replace(canonical, "*.", "", 1))) {
			t.Errorf("%q does not match exactly what is below", canonical)
		}
	})
}

func BenchmarkOriginMatches(b *testing.B) {
	for _, allowed := range []string{"https://shop.example", "https://*.shop.example"} {
		b.Run(allowed, func(b *testing.B) {
			o, err := ParseOrigin(allowed)
			if err != nil {
				b.Fatal(err)
			}
			origin := strings.Replace(allowed, "*", "a", 1)
			b.ReportAllocs()
			for b.Loop() {
				o.Matches(origin)
			}
		})
	}
}
