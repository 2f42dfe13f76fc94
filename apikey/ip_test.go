package apikey

import "testing"

func TestParseIP(t *testing.T) {
	for s, want := range map[string]string{
		"203.0.113.7":            "203.0.113.7",
		"203.0.113.7/32":         "203.0.113.7",
		"203.0.113.0/24":         "203.0.113.0/24",
		"10.0.0.0/8":             "10.0.0.0/8",
		"0.0.0.0":                "0.0.0.0",
		"0.0.0.0/1":              "0.0.0.0/1",
		"2001:DB8:0:0::7":        "2001:db8::7",
		"2001:db8::7/128":        "2001:db8::7",
		"2001:db8::/32":          "2001:db8::/32",
		"::":                     "::",
		"::1":                    "::1",
		"::ffff:203.0.113.7":     "203.0.113.7",
		"::ffff:cb00:7107":       "203.0.113.7",
		"::ffff:203.0.113.7/128": "203.0.113.7",
		"::ffff:203.0.113.0/120": "203.0.113.0/24",
		"::ffff:128.0.0.0/97":    "128.0.0.0/1",
	} {
		t.Run(s, func(t *testing.T) {
			p, err := ParseIP(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := FormatIP(p); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestParseIPRefuses(t *testing.T) {
	const (
		neither = " is neither an address nor a network; accepted: an address such as 203.0.113.7 or 2001:db8::7, or a network such as 203.0.113.0/24"
		every   = " is every address; accepted: an empty allowed_ips to allow every address"
		wider   = " is wider than IPv4-mapped IPv6; accepted: the network in IPv4 form, such as 203.0.113.0/24"
	)
	for s, want := range map[string]string{
		"":                        `""` + neither,
		"localhost":               `"localhost"` + neither,
		"203.0.113":               `"203.0.113"` + neither,
		"203.0.113.*":             `"203.0.113.*"` + neither,
		"203.0.113.256":           `"203.0.113.256"` + neither,
		"010.0.0.1":               `"010.0.0.1"` + neither,
		" 203.0.113.7":            `" 203.0.113.7"` + neither,
		"203.0.113.7:80":          `"203.0.113.7:80"` + neither,
		"[::1]":                   `"[::1]"` + neither,
		"203.0.113.0/":            `"203.0.113.0/"` + neither,
		"203.0.113.0/33":          `"203.0.113.0/33"` + neither,
		"203.0.113.0/024":         `"203.0.113.0/024"` + neither,
		"203.0.113.0/-1":          `"203.0.113.0/-1"` + neither,
		"203.0.113.0/255.0.0.0":   `"203.0.113.0/255.0.0.0"` + neither,
		"203.0.113.0/24/24":       `"203.0.113.0/24/24"` + neither,
		"2001:db8::/129":          `"2001:db8::/129"` + neither,
		"fe80::1%":                `"fe80::1%"` + neither,
		"x%eth0":                  `"x%eth0"` + neither,
		"fe80::1%eth0/0":          `"fe80::1%eth0/0"` + neither,
		"::ffff:1.2.3.4%eth0/95":  `"::ffff:1.2.3.4%eth0/95"` + neither,
		"fe80::/64%eth0":          `"fe80::/64%eth0"` + neither,
		"fe80::1%eth0":            `"fe80::1%eth0" has a zone (did you mean fe80::1?)`,
		"fe80::1%eth0/64":         `"fe80::1%eth0/64" has a zone (did you mean fe80::/64?)`,
		"::ffff:203.0.113.7%eth0": `"::ffff:203.0.113.7%eth0" has a zone (did you mean 203.0.113.7?)`,
		"203.0.113.7/24":          `"203.0.113.7/24" has host bits (did you mean 203.0.113.0/24?)`,
		"::ffff:203.0.113.7/120":  `"::ffff:203.0.113.7/120" has host bits (did you mean 203.0.113.0/24?)`,
		"2001:db8::7/64":          `"2001:db8::7/64" has host bits (did you mean 2001:db8::/64?)`,
		"0.0.0.0/0":               `"0.0.0.0/0"` + every,
		"10.0.0.1/0":              `"10.0.0.1/0"` + every,
		"::/0":                    `"::/0"` + every,
		"::ffff:0:0/96":           `"::ffff:0:0/96"` + every,
		"::ffff:203.0.113.0/95":   `"::ffff:203.0.113.0/95"` + wider,
		testToken:                 "<a token>" + neither,
	} {
		t.Run(s, func(t *testing.T) {
			p, err := ParseIP(s)
			wantFieldError(t, err, "allowed_ips", want)
			if p.IsValid() {
				t.Errorf("returned %v as well", p)
			}
		})
	}
}

func FuzzParseIP(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "203.0.113.0/24", "2001:db8::/32", "::ffff:1.2.3.4", "::ffff:1.2.3.0/120", "::ffff:0:0/95", "fe80::1%eth0/64", "::/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseIP(s)
		if err != nil {
			return
		}
		if !p.IsValid() || p != p.Masked() || p.Bits() == 0 || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			t.Errorf("ParseIP(%q) = %v", s, p)
		}
		if again, err := ParseIP(FormatIP(p)); err != nil || again != p {
			t.Errorf("%v is formatted as %s, which parses to %v, %v", p, FormatIP(p), again, err)
		}
	})
}
