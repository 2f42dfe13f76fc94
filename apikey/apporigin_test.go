package apikey

import (
	"strings"
	"testing"
)

const (
	chromeID  = "abcdefghijklmnopabcdefghijklmnop"
	firefoxID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
)

// appOrigins are what apps and extensions send in Origin: a scheme of their own, a
// host, and nothing else.
var appOrigins = []string{
	"chrome-extension://" + chromeID, "moz-extension://" + firefoxID, "capacitor://localhost", "capacitor://app.shop.example",
	"ionic://localhost", "tauri://localhost", "app://localhost", "app://obsidian.md", "app://-", "app://.", "app://my_app-1",
}

// What an app sends is read as it is, matches itself, and no other app or page.
func TestAppOrigins(t *testing.T) {
	for _, s := range appOrigins {
		for _, written := range []string{s, strings.ToUpper(s)} {
			o, err := ParseOrigin(written)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := ParseOrigin(o.String()); err != nil || again != o || o.String() != s {
				t.Errorf("%s became %s, which is read as %v, %v", written, o, again, err)
			}
			for _, sent := range append(appOrigins, s+"/", s+":80", s+":443", s+".", s+"x", "x"+s, strings.ToUpper(s), "https://localhost", "null", "", s+" "+s) {
				if o.Matches(sent) != (sent == s) {
					t.Errorf("%s matches %q: %v", s, sent, sent != s)
				}
			}
		}
	}
}

func TestAppOriginsRefused(t *testing.T) {
	const (
		chrome  = "; accepted: the extension's ID, 32 letters from a to p, such as chrome-extension://" + chromeID
		firefox = "; accepted: the extension's internal UUID, such as moz-extension://" + firefoxID
		app     = "; accepted: the host that the app serves itself under, such as capacitor://localhost"
	)
	for _, tt := range []struct{ in, want string }{
		{"chrome-extension://*", `"chrome-extension://*" has a wildcard` + chrome},
		{"chrome-extension://", `"chrome-extension://" has no ID of an extension` + chrome},
		{"chrome-extension://abcdefghijklmnop", `"chrome-extension://abcdefghijklmnop" has no ID of an extension` + chrome},
		{"chrome-extension://" + chromeID[1:] + "q", `"chrome-extension://` + chromeID[1:] + `q" has no ID of an extension` + chrome},
		{"chrome-extension://" + chromeID + "/popup.html", `"chrome-extension://` + chromeID + `/popup.html" has a path (leave out the path: chrome-extension://` + chromeID + `)`},
		{"chrome-extension://" + chromeID + ":80", `"chrome-extension://` + chromeID + `:80" has a port` + chrome},
		{"moz-extension://*", `"moz-extension://*" has a wildcard` + firefox},
		{"moz-extension://localhost", `"moz-extension://localhost" has no ID of an extension` + firefox},
		{"moz-extension://" + firefoxID[1:], `"moz-extension://` + firefoxID[1:] + `" has no ID of an extension` + firefox},
		{"moz-extension://" + strings.ReplaceAll(firefoxID, "-", "0"), `"moz-extension://` + strings.ReplaceAll(firefoxID, "-", "0") + `" has no ID of an extension` + firefox},
		{"moz-extension://g" + firefoxID[1:], `"moz-extension://g` + firefoxID[1:] + `" has no ID of an extension` + firefox},
		{"capacitor://*", `"capacitor://*" has a wildcard` + app},
		{"capacitor://*.shop.example", `"capacitor://*.shop.example" has a wildcard` + app},
		{"capacitor://localhost:8080", `"capacitor://localhost:8080" has a port` + app},
		{"capacitor://localhost/", `"capacitor://localhost/" has a path (leave out the path: capacitor://localhost)`},
		{"capacitor://ann:secret@localhost", "an entry has a user name (leave out the user name: capacitor://localhost)"},
		{"capacitor://", `"capacitor://" has a host that is not a name` + app},
		{"capacitor://.", `"capacitor://." has a host that is not a name` + app},
		{"capacitor://localhost.", `"capacitor://localhost." has a host that is not a name` + app},
		{"ionic://a..b", `"ionic://a..b" has a host that is not a name` + app},
		{"tauri://bücher", `"tauri://b\u00fccher" has a host that is not a name` + app},
		{"tauri://[::1]", `"tauri://[::1]" has a port` + app},
		{"app://127.0.0.1", `"app://127.0.0.1" has a host that is not a name` + app},
		{"app://7", `"app://7" has a host that is not a name` + app},
		{"app://..", `"app://.." has a host that is not a name` + app},
		{"app://./index.html", `"app://./index.html" has a path (leave out the path: app://.)`},
		{"app://" + strings.Repeat("a", 64), `"app://` + strings.Repeat("a", 58) + `"… has a host that is not a name` + app},
		{"electron://localhost", `"electron://localhost" has a scheme that is not accepted; accepted: http, https, or of apps and extensions chrome-extension, moz-extension, capacitor, ionic, tauri, app`},
		{"file://", `"file://" has a scheme that is not accepted; accepted: http, https, or of apps and extensions chrome-extension, moz-extension, capacitor, ionic, tauri, app`},
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
