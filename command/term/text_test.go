package term

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Zapier - product launches", "Zapier - product launches"},
		{"other scripts", "日本語 – Ünïcödé ✓", "日本語 – Ünïcödé ✓"},
		{"joiners", "می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"},
		{"terminal title", "\x1b]0;pwn\x07", `\x1b]0;pwn\a`},
		{"line breaks", "a\r\nb\u2028c\u0085d", `a\r\nb\u2028c\u0085d`},
		{"delete", "\x7f", `\x7f`},
		{"eight-bit control", "\u009b2J", `\u009b2J`},
		{"bidi", "\u202egnp.exe\u2066\u200f\u061c", `\u202egnp.exe\u2066\u200f\u061c`},
		{"invisible", "a\u200bb\ufeffc\U000e0041", `a\u200bb\ufeffc\U000e0041`},
		{"not UTF-8", "a\xff\x9bb", `a\xff\x9bb`},
		{"replacement character", "\ufffd", "\ufffd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Visible(test.in); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What would not be seen, or would be seen as something else, is escaped, and
// nothing else is. How encoding/json itself writes a text may change with Go.
func TestVisibleJSON(t *testing.T) {
	const hidden, shown = "\x1b\x7f\u009b\u202e\U000e0041\u2028", "日本語 <&>"
	in := hidden + shown + "\xff"
	text, err := EncodeJSON(map[string]string{"name": in})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`\u001b`, `\u007f`, `\u009b`, `\u202e`, `\udb40\udc41`, `\u2028`, shown} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
	if strings.ContainsAny(string(text), hidden) || !utf8.Valid(text) {
		t.Errorf("got %q, in which something cannot be seen", text)
	}
	var back map[string]string
	if err := json.Unmarshal(text, &back); err != nil || back["name"] != strings.ToValidUTF8(in, "\ufffd") {
		t.Errorf("read back as %q, %v", back["name"], err)
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"ab cd", 4, "ab…"},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
		{"", 0, ""},
	}
	for _, test := range tests {
		if got := cut(test.in, test.n); got != test.want {
			t.Errorf("cut(%q, %d) = %q, want %q", test.in, test.n, got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name string
		in   string
		n    int
		want []string
	}{
		{"empty", "", 20, []string{""}},
		{"fits", "one two", 20, []string{"one two"}},
		{"words", "one two three four five", 16, []string{"one two three", "four five"}},
		{"just", "one two three abc four", 17, []string{"one two three abc", "four"}},
		{"long word", strings.Repeat("x", 20), 16, []string{strings.Repeat("x", 16), "xxxx"}},
		{"wide", strings.Repeat("日", 9), 17, []string{strings.Repeat("日", 8), "日"}},
		{"too narrow", "one two three", 5, []string{"one two three"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Wrap(test.in, test.n); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("\x1b]0;pwn\x07\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		shown := Visible(s)
		if strings.ContainsFunc(shown, IsUnsafe) || !utf8.ValidString(shown) {
			t.Errorf("%q is shown as %q", s, shown)
		}
		if Visible(shown) != shown {
			t.Errorf("%q changes when shown again", shown)
		}
		for _, line := range Wrap(shown, 20) {
			if DisplayWidth(line) > 20 {
				t.Errorf("a line of %d columns: %q", DisplayWidth(line), line)
			}
		}
	})
}
