package headers

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
