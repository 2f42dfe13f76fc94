package keystore

import (
	"unicode"
	"unicode/utf8"
)

// appendFold appends s with every letter in the one form that stands for all its
// cases (simple case folding of Unicode), so that texts that differ only in case
// become the same.
func appendFold(dst, s []byte) []byte {
	for len(s) > 0 {
		c := s[0]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst, s = append(dst, c), s[1:]
			continue
		}
		r, size := utf8.DecodeRune(s)
		dst, s = utf8.AppendRune(dst, foldRune(r)), s[size:]
	}
	return dst
}

// foldRune returns the lowest of the characters that differ from r only in case,
// but a small letter of ASCII where there is one.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
