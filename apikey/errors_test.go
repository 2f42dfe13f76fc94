package apikey

import (
	"errors"
	"strings"
	"testing"
)

// wantFieldError checks the field and the exact text of a refusal, and that
// the text is one line.
func wantFieldError(t *testing.T, err error, field, want string) {
	t.Helper()
	var fieldErr *FieldError
	if !errors.As(err, &fieldErr) {
		t.Errorf("got %v, want a FieldError %s: %s", err, field, want)
		return
	}
	if got := err.Error(); fieldErr.Field != field || got != field+": "+want {
		t.Errorf("field %q\n got %s\nwant %s", fieldErr.Field, got, field+": "+want)
	}
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q is more than one line", err.Error())
	}
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "posts:wrte", `"posts:wrte"`},
		{"terminal escape", "\x1b]0;pwn\a", `"\x1b]0;pwn\a"`},
		{"line break", "a\r\nb", `"a\r\nb"`},
		{"right-to-left override", "a\u202eb", `"a\u202eb"`},
		{"invalid UTF-8", "a\xffb", `"a\xffb"`},
		{"long", strings.Repeat("a", 1<<20), `"` + strings.Repeat("a", 64) + `"…`},
		{"cut within a character", strings.Repeat("a", 63) + "äb", `"` + strings.Repeat("a", 63) + `\ufffd"…`},
		{"token", "key=" + testToken, "<a token>"},
		{"token beyond the cut", strings.Repeat(" ", 100) + testToken, "<a token>"},
		{"token across the cut", strings.Repeat(" ", 30) + testToken, "<a token>"},
		{"token without its end", testToken[:40], "<a token>"},
		{"token without its brand", testToken[6:], "<a token>"},
		{"prefix", testPrefix, `"patra_7Hk2Qp9aX3bC"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Quote(tt.in); got != tt.want {
				t.Errorf("quote = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestContainsToken(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"token", testToken, true},
		{"wrong checksum", testToken[:56] + "m", true},
		{"another brand", "gk" + testToken[5:], true},
		{"within a sentence", "Bearer " + testToken + ", please", true},
		{"more letters around it", "XX" + testToken + "yy", true},
		{"after underscores", "a_b_c__" + testToken, true},
		{"longest brand", "a234567890123456" + testToken[5:], true},
		{"long run before it", strings.Repeat("9", 99) + "a" + testToken[4:], true},
		{"empty", "", false},
		{"prefix", testPrefix, false},
		{"cut short", testToken[:56], false},
		{"no brand", testToken[5:], false},
		{"brand of one letter", "a" + testToken[5:], false},
		{"brand of digits", "12" + testToken[5:], false},
		{"brand in upper case", "PATRA" + testToken[5:], false},
		{"hyphen for underscore", strings.Replace(testToken, "_", "-", 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ContainsToken(tt.in); got != tt.want {
				t.Errorf("ContainsToken(%q) = %v, want %v", tt.in, got, tt.want)
			}
		})
	}
}
