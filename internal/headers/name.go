// Package headers knows which names of header fields backends treat as the same,
// and what Cache-Control says of sharing. It takes fields off a request and gives
// them back.
package headers

import "strings"

// Servers that turn headers into environment variables (RFC 3875 §4.1.18) treat
// many names as one. This file knows which names they treat as the same.

// Fold converts a header name to lower case and replaces each byte that is
// neither letter nor digit by -. A name that does not fit into dst gives an empty
// result.
func Fold(dst []byte, name string) []byte {
	if len(name) > cap(dst) {
		return dst[:0]
	}
	dst = dst[:len(name)]
	for i := range len(name) {
		dst[i] = FoldByte(name[i])
	}
	return dst
}

// FoldByte is Fold of one byte.
func FoldByte(c byte) byte {
	switch lower := c | 0x20; {
	case 'a' <= lower && lower <= 'z':
		return lower
	case '0' <= c && c <= '9':
		return c
	default:
		return '-'
	}
}

// HasFoldedPrefix reports whether name, folded, begins with prefix, which must be
// folded.
func HasFoldedPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	var buf [MaxNameLen]byte
	return strings.HasPrefix(string(Fold(buf[:0], name[:len(prefix)])), prefix)
}

// Spelling says which bytes a header name has.
type Spelling uint8

const (
	Plain    Spelling = iota // only letters, digits and -
	Expected                 // also _ or ., which Caddy accepts only if configured to
	Odd                      // anything else
)

// SpellingOf looks at every header of every request. So it recognises plain names
// eight bytes at a time.
func SpellingOf(name string) Spelling {
	switch n := len(name); {
	case n >= 8:
		words := plainBytes(load64(name[n-8:]))
		for i := 0; i < n-8; i += 8 {
			words &= plainBytes(load64(name[i:]))
		}
		if words == highBits {
			return Plain
		}
	case n >= 4:
		if plainBytes(load32(name)|load32(name[n-4:])<<32) == highBits {
			return Plain
		}
	}
	s := Plain
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' || c == '.':
			s = Expected
		case FoldByte(c) == '-' && c != '-':
			return Odd
		}
	}
	return s
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// plainBytes sets the high bit of each byte that is a letter, a digit or -. For
// each range it adds a number to bytes below 0x80 that lifts the first of the
// range, and all above it, to 0x80 or more. So nothing is carried into the next
// byte.
func plainBytes(x uint64) uint64 {
	low := x &^ highBits
	lower := low | 0x20*eachByte
	letter := (lower + (0x80-'a')*eachByte) &^ (lower + (0x7f-'z')*eachByte)
	digit := (low + (0x80-'0')*eachByte) &^ (low + (0x7f-'9')*eachByte)
	notDash := (low ^ '-'*eachByte) + 0x7f*eachByte
	return (letter | digit | ^notDash) &^ x & highBits
}

func load64(s string) uint64 { return load32(s) | load32(s[4:])<<32 }

func load32(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// MaxNameLen is the longest name, in bytes, that is compared in its folded form.
// A token in a header with a longer name would reach the backend, so a config
// must not name one.
const MaxNameLen = 64
