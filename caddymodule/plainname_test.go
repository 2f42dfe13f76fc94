package caddymodule

import (
	"encoding/binary"
	"strings"
	"testing"
)

// Eight bytes at a time are told as one at a time is, whatever stands beside them.
func TestPlainBytes(t *testing.T) {
	for _, beside := range []byte{0, '-', '0', 'z', 0x7f, 0x80, 0xff} {
		for place := range 8 {
			for c := range 256 {
				text := []byte(strings.Repeat(string([]byte{beside}), 8))
				text[place] = byte(c)
				got := plainBytes(binary.LittleEndian.Uint64(text))
				for i, b := range text {
					letter := 'a' <= b|0x20 && b|0x20 <= 'z'
					plain := letter || '0' <= b && b <= '9' || b == '-'
					if high := got >> (8 * i) & 0xff; (high == 0x80) != plain || high != 0 && high != 0x80 {
						t.Fatalf("%q at %d of %q is told as %#x", b, i, text, high)
					}
				}
			}
		}
	}
	if got, want := load64("ab\xffd\x80fgh-"), binary.LittleEndian.Uint64([]byte("ab\xffd\x80fgh")); got != want {
		t.Errorf("loaded %#x, want %#x", got, want)
	}
}

// Few headers of clients are looked at closely: all that are taken off, and none
// of those that nearly every request has.
func TestSuspects(t *testing.T) {
	id := newIdentity("Socialpatra-", "X-Api-Key")
	long := "Socialpatra-" + strings.Repeat("x", 100)
	for _, name := range []string{"X-Api-Key", "x-api-key", "Socialpatra-", "SOCIALPATRA-KEY-ID", long, "Authorization", "Connection", "X-Real-Ip", "Cf-Connecting-Ipv6"} {
		if !id.suspects.has(name) {
			t.Errorf("%s is not looked at", name)
		}
	}
	for name, why := range removed {
		if has := id.suspects.has(name); why != alias && !has {
			t.Errorf("%s is not looked at", name)
		}
	}
	for _, name := range []string{"", "Accept", "Host", "User-Agent", "Cookie", "Accept-Encoding", "Accept-Language", "Cache-Control", "Range", "Pragma", "Dnt", "Origin"} {
		if id.suspects.has(name) {
			t.Errorf("%s is looked at", name)
		}
	}
	other, keyed := newIdentity("Socialpatra-", ""), newIdentity("A-", "X-Key")
	if other.suspects.has("X-Key") || !keyed.suspects.has("X-Key") {
		t.Error("X-Key is looked at where it is nobody's, or not where it is the key's")
	}
	if other.suspects.has("Socialpatra") || other.suspects.has("Qocialpatra-Key-Id") {
		t.Error("what does not begin with the prefix is looked at")
	}
}

// Names that are too long to be folded are told by their beginning.
func TestLongNames(t *testing.T) {
	id := newIdentity("Socialpatra-", "X-Api-Key")
	for length := 55; length < 75; length++ {
		for begins, want := range map[string]fate{
			"Socialpatra-": forged, "SOCIALPATRA-": forged, "Socialpatra_": forged, "Social.patra-": stays, "Xocialpatra-": stays, "X-Api-Key": stays, "Connection": stays,
		} {
			name := begins + strings.Repeat("a", length-len(begins))
			if got := id.fateOf(name, spellingOf(name), false); got != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
	}
}
