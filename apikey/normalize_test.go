package apikey

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func validKey() Key {
	return Key{Workspace: "acme", Name: "Zapier - product launches", Scopes: []string{"posts:write"}}
}

func TestNormalize(t *testing.T) {
	given := []string{"posts:write", "media:upload", "posts:write"}
	k := validKey()
	k.Scopes = given
	k.AllowedOrigins = []string{"HTTPS://Shop.Example:443", "https://b.example", "https://shop.example."}
	k.AllowedIPs = []string{"::ffff:203.0.113.7", "10.0.0.0/8", "203.0.113.7/32"}
	if err := k.Normalize(); err != nil {
		t.Fatal(err)
	}
	want := validKey()
	want.Scopes = []string{"media:upload", "posts:write"}
	want.Limits = Limits{PerMinute: 60, PerDay: 10_000, Burst: 60}
	want.AllowedOrigins = []string{"https://shop.example", "https://b.example"}
	want.AllowedIPs = []string{"203.0.113.7", "10.0.0.0/8"}
	if !reflect.DeepEqual(k, want) {
		t.Errorf("got %+v\nwant %+v", k, want)
	}
	if given[0] != "posts:write" {
		t.Error("the caller's list was sorted")
	}
	again := k
	if err := again.Normalize(); err != nil || !reflect.DeepEqual(again, k) {
		t.Errorf("the stored form changes when normalised: %+v, %v", again, err)
	}
}

func TestNormalizeLimits(t *testing.T) {
	for _, tt := range []struct{ given, want Limits }{
		{Limits{}, Limits{60, 10_000, 60}},
		{Limits{PerMinute: 5}, Limits{5, 10_000, 5}},
		{Limits{Burst: 7}, Limits{60, 10_000, 7}},
		{Limits{1_000_000, 1_000_000_000, 1_000_000}, Limits{1_000_000, 1_000_000_000, 1_000_000}},
	} {
		k := validKey()
		k.Limits = tt.given
		if err := k.Normalize(); err != nil || k.Limits != tt.want {
			t.Errorf("%+v became %+v, %v; want %+v", tt.given, k.Limits, err, tt.want)
		}
	}
}

func TestNormalizeRefuses(t *testing.T) {
	const (
		acceptedWorkspace = "; accepted: a letter or digit, then up to 63 of A-Z, a-z, 0-9, dot, underscore and hyphen"
		acceptedName      = "; accepted: 1 to 100 characters, all of them visible, with single spaces between words"
		acceptedDesc      = "; accepted: 0 to 500 characters, all of them visible, with single spaces between words"
	)
	numbered := func(format string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i))
		}
		return list
	}
	for _, tt := range []struct {
		name  string
		set   func(*Key)
		field string
		want  string
	}{
		{"no workspace", func(k *Key) { k.Workspace = "" }, "workspace", "is empty" + acceptedWorkspace},
		{"workspace with a slash", func(k *Key) { k.Workspace = "a/b" }, "workspace", `"a/b" is not a workspace` + acceptedWorkspace},
		{"workspace with a dot first", func(k *Key) { k.Workspace = "..a" }, "workspace", `"..a" is not a workspace` + acceptedWorkspace},
		{"workspace with a line break", func(k *Key) { k.Workspace = "a\n" }, "workspace", `"a\n" is not a workspace` + acceptedWorkspace},
		{"workspace not ASCII", func(k *Key) { k.Workspace = "ä" }, "workspace", `"\u00e4" is not a workspace` + acceptedWorkspace},
		{"workspace too long", func(k *Key) { k.Workspace = strings.Repeat("a", 65) }, "workspace", `"` + strings.Repeat("a", 64) + `"… is not a workspace` + acceptedWorkspace},
		{"token as workspace", func(k *Key) { k.Workspace = testToken }, "workspace", "holds a whole token, which is secret" + acceptedWorkspace},

		{"no name", func(k *Key) { k.Name = "" }, "name", "is empty" + acceptedName},
		{"blank name", func(k *Key) { k.Name = " \u00a0 " }, "name", "is blank" + acceptedName},
		{"name too long", func(k *Key) { k.Name = strings.Repeat("ä", 101) }, "name", "has 101 characters" + acceptedName},
		{"name of a megabyte", func(k *Key) { k.Name = strings.Repeat("a", 1<<20) }, "name", "has 1048576 characters" + acceptedName},
		{"name not UTF-8", func(k *Key) { k.Name = "a\xff" }, "name", "is not valid UTF-8" + acceptedName},
		{"name with a terminal escape", func(k *Key) { k.Name = "\x1b]0;pwn\a" }, "name", "has the control character U+001B at position 1" + acceptedName},
		{"name with a line break", func(k *Key) { k.Name = "ä\r\n" }, "name", "has the control character U+000D at position 2" + acceptedName},
		{"name with DEL", func(k *Key) { k.Name = "a\x7f" }, "name", "has the control character U+007F at position 2" + acceptedName},
		{"name with a C1 control", func(k *Key) { k.Name = "a\u0085" }, "name", "has the control character U+0085 at position 2" + acceptedName},
		{"name with a line separator", func(k *Key) { k.Name = "a\u2028b" }, "name", "has the line break U+2028 at position 2" + acceptedName},
		{"name with a paragraph separator", func(k *Key) { k.Name = "a\u2029b" }, "name", "has the line break U+2029 at position 2" + acceptedName},
		{"token in the name", func(k *Key) { k.Name = "for " + testToken }, "name", "holds a whole token, which is secret" + acceptedName},

		{"description too long", func(k *Key) { k.Description = strings.Repeat("ä", 501) }, "description", "has 501 characters" + acceptedDesc},
		{"description with a tab", func(k *Key) { k.Description = "a\tb" }, "description", "has the control character U+0009 at position 2" + acceptedDesc},
		{"token in the description", func(k *Key) { k.Description = testToken }, "description", "holds a whole token, which is secret" + acceptedDesc},

		{"no scopes", func(k *Key) { k.Scopes = nil }, "scopes", "is empty; accepted: 1 to 64 scopes, such as posts:write"},
		{"65 scopes", func(k *Key) { k.Scopes = numbered("a:b%d", 65) }, "scopes", "has 65 entries; accepted: at most 64"},
		{"bad scope", func(k *Key) { k.Scopes = []string{"posts:read", "posts.write"} }, "scopes", `"posts.write" is not a scope (did you mean posts:write?)`},

		{"per_minute", func(k *Key) { k.Limits.PerMinute = 1_000_001 }, "per_minute", "1000001 is out of range; accepted: 1 to 1,000,000"},
		{"per_day", func(k *Key) { k.Limits.PerDay = 1_000_000_001 }, "per_day", "1000000001 is out of range; accepted: 1 to 1,000,000,000"},
		{"burst", func(k *Key) { k.Limits.Burst = 61 }, "burst", "61 is more than per_minute, which is 60; accepted: 1 to 60"},

		{"65 origins", func(k *Key) { k.AllowedOrigins = numbered("https://a%d.example", 65) }, "allowed_origins", "has 65 entries; accepted: at most 64"},
		{"bad origin", func(k *Key) { k.AllowedOrigins = []string{"shop.example"} }, "allowed_origins", `"shop.example" has no scheme (did you mean https://shop.example?)`},
		{"65 addresses", func(k *Key) { k.AllowedIPs = numbered("192.0.2.%d", 65) }, "allowed_ips", "has 65 entries; accepted: at most 64"},
		{"bad address", func(k *Key) { k.AllowedIPs = []string{"203.0.113.7/24"} }, "allowed_ips", `"203.0.113.7/24" has host bits (did you mean 203.0.113.0/24?)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := validKey()
			k.Scopes = []string{"posts:write", "media:upload"}
			tt.set(&k)
			before := k
			before.Scopes = slices.Clone(k.Scopes)
			wantFieldError(t, k.Normalize(), tt.field, tt.want)
			if !reflect.DeepEqual(k, before) {
				t.Errorf("the refused key was changed to %+v", k)
			}
		})
	}
}

func TestNormalizeRefusesEveryBidiControl(t *testing.T) {
	for _, r := range "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" {
		k := validKey()
		k.Name = "a" + string(r)
		wantFieldError(t, k.Normalize(), "name",
			fmt.Sprintf("has the bidi-control character %U at position 2; accepted: 1 to 100 characters, all of them visible, with single spaces between words", r))
	}
}

func TestNormalizeAccepts(t *testing.T) {
	for name, set := range map[string]func(*Key){
		"shortest workspace":  func(k *Key) { k.Workspace = "7" },
		"longest workspace":   func(k *Key) { k.Workspace = "A" + strings.Repeat("._-z", 15) + "._-" },
		"100 wide characters": func(k *Key) { k.Name = strings.Repeat("語", 100) },
		"right-to-left text":  func(k *Key) { k.Name = "مفتاح" },
		"emoji with a joiner": func(k *Key) { k.Name = "👩\u200d💻 =cmd() <b>" },
		"500 characters":      func(k *Key) { k.Description = strings.Repeat("é", 500) },
		"prefix in the name":  func(k *Key) { k.Name = "was " + testPrefix },
		"64 scopes":           func(k *Key) { k.Scopes = slices.Repeat([]string{"a:b"}, 64) },
	} {
		t.Run(name, func(t *testing.T) {
			k := validKey()
			set(&k)
			if err := k.Normalize(); err != nil {
				t.Error(err)
			}
		})
	}
}
