package apikey

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every port is accepted, and written unless it is the one of its scheme.
func TestEveryPort(t *testing.T) {
	for scheme, usual := range map[string]int{"http": 80, "https": 443} {
		for port := range 65538 {
			given := fmt.Sprintf("%s://shop.de:%d", scheme, port)
			want := given
			switch port {
			case 0, 65536, 65537:
				want = ""
			case usual:
				want = scheme + "://shop.de"
			}
			o, err := parseOriginOrNone(given)
			if o != want || (err == nil) != (want != "") {
				t.Fatalf("%s became %q, %v", given, o, err)
			}
		}
	}
}

func parseOriginOrNone(s string) (string, error) {
	o, err := ParseOrigin(s)
	return o.String(), err
}

// Browsers take a host for an address where its last label is a number, and for
// a name otherwise: shop.de and one.cafe are names, of hexadecimal digits as they
// are.
func TestLastLabels(t *testing.T) {
	number := regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)
	var walk func(label string)
	walk = func(label string) {
		if label != "" {
			o, err := parseOriginOrNone("https://shop." + label)
			if number.MatchString(label) != (err != nil) || err == nil && o != "https://shop."+label {
				t.Errorf("shop.%s became %q, %v", label, o, err)
			}
		}
		if len(label) < 4 {
			for _, c := range "/09:`afgxz{" {
				if c != '/' && c != ':' && c != '`' && c != '{' {
					walk(label + string(c))
				}
			}
		}
	}
	walk("")
	for _, host := range []string{"shop.de", "one.cafe", "a.z", "z.a", "9.zz", "0.az", "x.0xg", "a9.b0", "zz.museum"} {
		if o, err := parseOriginOrNone("https://" + host); o != "https://"+host || err != nil {
			t.Errorf("%s became %q, %v", host, o, err)
		}
	}
}

// hostOf returns a host of n characters in labels that are short enough.
func hostOf(n int) string {
	host := []byte(strings.Repeat("z", n))
	for i := 31; i < n-1; i += 32 {
		host[i] = '.'
	}
	return string(host)
}

// A host has at most 253 characters, and an entry at most 1024 bytes.
func TestHostLengths(t *testing.T) {
	for n := 2; n < 260; n++ {
		host := hostOf(n)
		for _, given := range []string{"https://" + host, "https://" + host + ".", "http://" + host + ":8443"} {
			want := strings.TrimSuffix(given, ".")
			if n > 253 {
				want = ""
			}
			if o, err := parseOriginOrNone(given); o != want || (err == nil) != (want != "") {
				t.Errorf("a host of %d characters: %q, %v", n, o, err)
			}
		}
	}
	for n := 1016; n < 1030; n++ {
		_, err := ParseOrigin("https://" + strings.Repeat("a", n-len("https://")))
		if tooLong := fmt.Sprintf("an entry has %d bytes", n); err == nil || strings.Contains(err.Error(), tooLong) != (n > 1024) {
			t.Errorf("an entry of %d bytes: %v", n, err)
		}
	}
}

// Each list, limit and text has as much as it may, and no more.
func TestBounds(t *testing.T) {
	numbered := func(format string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i))
		}
		return list
	}
	for _, tt := range []struct {
		field       string
		least, most int
		set         func(k *Key, n int)
	}{
		{"scopes", 1, 64, func(k *Key, n int) { k.Scopes = numbered("a:z%d", n) }},
		{"allowed_origins", 0, 64, func(k *Key, n int) { k.AllowedOrigins = numbered("https://a%d.cafe", n) }},
		{"allowed_ips", 0, 64, func(k *Key, n int) { k.AllowedIPs = numbered("192.0.2.%d", n) }},
		{"name", 1, 100, func(k *Key, n int) { k.Name = strings.Repeat("語", n) }},
		{"name", 1, 100, func(k *Key, n int) { k.Name = strings.Repeat("z", n) }},
		{"description", 0, 500, func(k *Key, n int) { k.Description = strings.Repeat("🦊", n) }},
		{"description", 0, 500, func(k *Key, n int) { k.Description = strings.Repeat("a", n) }},
		{"workspace", 1, 64, func(k *Key, n int) { k.Workspace = strings.Repeat("9", n) }},
		{"burst", 0, 9, func(k *Key, n int) { k.Limits = Limits{PerMinute: 9, Burst: uint32(n)} }},
	} {
		t.Run(tt.field, func(t *testing.T) {
			for n := range tt.most + 3 {
				k := validKey()
				tt.set(&k, n)
				err := k.Normalize()
				if want := n >= tt.least && n <= tt.most; (err == nil) != want {
					t.Errorf("%d: %v", n, err)
				}
				var fieldErr *FieldError
				if err != nil && (!errors.As(err, &fieldErr) || fieldErr.Field != tt.field) {
					t.Errorf("%d: the error is %v", n, err)
				}
			}
		})
	}
}

// What is 1 to a limit is accepted and returned as it is, and nothing else.
func TestNumberBounds(t *testing.T) {
	low := int64(1)
	for _, tt := range []struct {
		name  string
		most  int64
		check func(n *int64) (int64, error)
	}{
		{"per_minute", 1_000_000, func(n *int64) (int64, error) { l, err := CheckLimits(n, nil, nil); return int64(l.PerMinute), err }},
		{"per_minute with a burst", 1_000_000, func(n *int64) (int64, error) { l, err := CheckLimits(n, nil, &low); return int64(l.PerMinute), err }},
		{"per_day", 1_000_000_000, func(n *int64) (int64, error) { l, err := CheckLimits(nil, n, nil); return int64(l.PerDay), err }},
		{"burst", 60, func(n *int64) (int64, error) { l, err := CheckLimits(nil, nil, n); return int64(l.Burst), err }},
		{"per_minute of a workspace", 1_000_000_000, func(n *int64) (int64, error) { l, err := CheckWorkspaceLimits(n, nil); return int64(l.PerMinute), err }},
		{"per_day of a workspace", 1_000_000_000, func(n *int64) (int64, error) { l, err := CheckWorkspaceLimits(nil, n); return int64(l.PerDay), err }},
		{"expires_in_days", 3650, func(n *int64) (int64, error) {
			at, err := ExpiryIn(*n, testNow)
			return int64(at.Sub(storedTime(testNow)) / (24 * time.Hour)), err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, near := range []int64{0, tt.most / 2, tt.most, 1 << 32, 2 << 32, math.MinInt64 + 5, math.MaxInt64 - 5} {
				for n := near - 5; n < near+5; n++ {
					got, err := tt.check(&n)
					if want := n >= 1 && n <= tt.most; (err == nil) != want || want && got != n {
						t.Errorf("%d became %d, %v", n, got, err)
					}
				}
			}
		})
	}
	for _, l := range []WorkspaceLimits{{}, {1e9, 1e9}, {1, 0}, {0, 1}} {
		if err := l.Check(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
		if want := (Limits{PerMinute: l.PerMinute, Burst: l.PerMinute, PerDay: l.PerDay}); l.Limits() != want || l.IsZero() != (want == Limits{}) {
			t.Errorf("%+v became %+v, and is zero: %t", l, l.Limits(), l.IsZero())
		}
	}
	for _, l := range []WorkspaceLimits{{1e9 + 1, 1}, {1, 1e9 + 1}, {1e9 + 1, 0}, {0, 1e9 + 1}} {
		if l.Check() == nil {
			t.Errorf("%+v is accepted", l)
		}
	}
}

// A number that is shown has commas from five digits on.
func TestCommas(t *testing.T) {
	for _, n := range []int64{1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 100_000, 999_999, 1_000_000, 12_345_678, 1_000_000_000} {
		got := commas(n)
		if strings.ReplaceAll(got, ",", "") != strconv.FormatInt(n, 10) || !regexp.MustCompile(`^(\d{1,4}|\d{2,3},\d{3}|\d{1,3}(,\d{3}){2,})$`).MatchString(got) {
			t.Errorf("%d is shown as %s", n, got)
		}
	}
}

// A key and its grant expire at the same instant, whatever the year: from 2262
// on an expiry is beyond what nanoseconds of 64 bits can hold.
func TestExpiryOfGrants(t *testing.T) {
	last := time.Unix(0, math.MaxInt64).UTC().Truncate(time.Second)
	var instants []time.Time
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(1677, 9, 21, 0, 12, 43, 0, time.UTC), time.Unix(0, 0),
		storedTime(testNow), last, time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 58, 0, time.UTC),
	} {
		for off := -2; off <= 1; off++ {
			instants = append(instants, at.Add(time.Duration(off)*time.Second))
		}
	}
	for _, expires := range instants {
		k := fullKey(t)
		k.ExpiresAt = expires
		g, err := k.Grant()
		if err != nil {
			t.Fatal(err)
		}
		for _, now := range instants {
			for _, off := range []time.Duration{-1, 0, 1} {
				now := now.Add(off)
				if now.UnixNano() < 1 || !now.Before(last) || now.Year() < 1970 {
					continue // no clock is there
				}
				if ofKey, ofGrant := k.Status(now), g.Status(now); ofKey != ofGrant {
					t.Errorf("expiry %v at %v: the key is %s, its grant %s", expires, now, ofKey, ofGrant)
				}
			}
		}
		if nanos := expires.UnixNano(); expires.Year() >= 1970 && expires.Year() < 2262 && expires.Unix() > 0 && g.ExpiresAt != nanos {
			t.Errorf("%v is %d, want %d", expires, g.ExpiresAt, nanos)
		}
	}
}

// Of names that are equally near the first is suggested, and none of which more
// than a third of the letters is wrong.
func TestNearest(t *testing.T) {
	for _, tt := range []struct {
		s          string
		candidates []string
		want       string
	}{
		{"posts:rea", []string{"posts:reax", "posts:read"}, "posts:reax"},
		{"posts:rea", []string{"posts:read", "posts:reax"}, "posts:read"},
		{"posts:read", []string{"posts:reaxx", "posts:reax", "posts:read"}, "posts:read"},
		{"posts:read", []string{"posts:read", "posts:reax"}, "posts:read"},
		{"abc", []string{"abx"}, "abx"},
		{"abc", []string{"axx"}, ""},
		{"ab", []string{"ax"}, ""},
		{"abcdef", []string{"abcdxx"}, "abcdxx"},
		{"abcdef", []string{"abcxxx"}, ""},
		{"abcde", []string{"abcxx"}, ""},
		{" ABC\t", []string{"abc"}, "abc"},
		{"", []string{"a"}, ""},
		{"", []string{""}, ""},
		{"abc", nil, ""},
		{strings.Repeat("a", 64), []string{strings.Repeat("a", 63)}, strings.Repeat("a", 63)},
		{strings.Repeat("a", 65), []string{strings.Repeat("a", 65)}, ""},
	} {
		if got := Nearest(tt.s, tt.candidates); got != tt.want {
			t.Errorf("near %q of %q is %q, want %q", tt.s, tt.candidates, got, tt.want)
		}
	}
}
