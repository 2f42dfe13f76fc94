package webhook

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The vector is of the tests of the standard's own libraries.
func TestSignVector(t *testing.T) {
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
	if err != nil {
		t.Fatal(err)
	}
	at, body := time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)
	const id, want = "msg_p5jXN8AQM9LWM0D4loKWxJek", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := sign([]Secret{secret}, id, at, body); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	other := Secret{testKey}
	both := sign([]Secret{secret, other}, id, at, body)
	if first, second, _ := strings.Cut(both, " "); first != want || second != sign([]Secret{other}, id, at, body) {
		t.Errorf("with two secrets: %s", both)
	}
}

func TestParseSecret(t *testing.T) {
	text := func(n int) string { return secretText([]byte(strings.Repeat("x", n))) }
	for _, good := range []string{text(24), text(64), " " + text(32) + "\r\n"} {
		if _, err := ParseSecret(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "whsec_", text(23), text(65), text(32)[6:], "WHSEC_" + text(32)[6:], text(32) + "=", "whsec_" + base64.RawStdEncoding.EncodeToString(testKey),
		"whsec_" + strings.Repeat("-_", 20) + "==", text(32) + " " + text(32),
	} {
		if s, err := ParseSecret(bad); err == nil {
			t.Errorf("%q is taken", bad)
		} else if len(bad) > 6 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("the error repeats it: %v", err)
		} else if s.key != nil {
			t.Errorf("%q: a secret beside an error", bad)
		}
	}
	s := Secret{testKey}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, printed := range []string{fmt.Sprintf(verb, s), fmt.Sprintf(verb, []Secret{s}), fmt.Sprintf(verb, Hook{Secrets: []Secret{s}})} {
			if strings.Contains(printed, string(testKey[:8])) || strings.Contains(printed, "48, 49") || strings.Contains(printed, "48 49") {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

func TestParseURL(t *testing.T) {
	for _, good := range []string{
		"https://example.com", "https://example.com:8443/a?b=c", "http://localhost:9000/x", "http://127.0.0.1/", "http://127.8.9.1/", "http://[::1]:80/", "http://LOCALHOST",
	} {
		if u, err := ParseURL(good); err != nil || u.String() == "" {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "example.com", "//example.com/sesame", "http://example.com/sesame", "http://10.0.0.1/sesame", "http://localhost.example.com/sesame", "http://0.0.0.0/sesame",
		"ftp://localhost/sesame", "https:///sesame", "https://:443/sesame", "https://ada:sesame@example.com/", "https://sesame@example.com/", "https://example.com/#sesame",
		"https://example.com/#", "https://example.com/\nsesame", "https://exam ple.com/sesame", "https://example.com/%zz-sesame", "https://bücher.example/sesame",
		"mailto:sesame@example.com", "https:sesame", "http://127.0.0.1@example.com/sesame", "http://[::ffff:10.0.0.1]/sesame",
	} {
		if _, err := ParseURL(bad); err == nil {
			t.Errorf("%s is taken", bad)
		} else if strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "accepted: ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestCheckEvents(t *testing.T) {
	if err := CheckEvents(AllEvents()); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{{""}, {"key.gone"}, {"key.revoked", "key.revoked"}, {"KEY.REVOKED"}, {"*"}} {
		if CheckEvents(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
