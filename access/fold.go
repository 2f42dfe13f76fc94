package access

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Some backends ignore case, whether reserved characters came percent-encoded,
// or what stands behind a literal. What they make the same is folded to the same.

// fold appends a segment to dst, percent-decoded and without regard to case.
// It returns false for segments too long for dst.
func fold(dst []byte, segment string) ([]byte, bool) {
	for i := 0; i < len(segment); {
		if len(dst) == cap(dst) {
			return nil, false
		}
		c := segment[i]
		if c != '%' {
			dst = append(dst, lower(c))
			i++
			continue
		}
		r, n := decodeEscape(segment[i:])
		r = foldRune(r)
		if n == 0 || len(dst)+utf8.RuneLen(r) > cap(dst) {
			return nil, false
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst, true
}

// isFolded reports whether folding leaves a segment as it is, and no part of it
// can be a format.
func isFolded(segment string) bool {
	for i := range len(segment) {
		if !isFoldedChar[segment[i]] {
			return false
		}
	}
	return true
}

// isFoldedChar leaves out capitals, what is percent-encoded, and the dot that a
// format begins with.
var isFoldedChar = charSet("abcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@[]")

// foldedText folds a text of a pattern. What it is folded to may be longer.
func foldedText(text string) []byte {
	folded, _ := fold(make([]byte, 0, 2*len(text)+utf8.UTFMax), text)
	return folded
}

func foldedTexts(texts []string) [][]byte {
	folded := make([][]byte, len(texts))
	for i, text := range texts {
		folded[i] = foldedText(text)
	}
	return folded
}

// isLike reports whether a folded segment is, to some backend, of the folded
// texts of a segment with names. Some append a format to patterns, so that a dot
// and anything may follow, and some take off dots and spaces at the end.
func isLike(texts [][]byte, folded []byte) bool {
	last := len(texts) - 1
	folded, ok := bytes.CutPrefix(folded, texts[0])
	for _, between := range texts[1:last] {
		if !ok || len(folded) == 0 {
			return false
		}
		_, folded, ok = bytes.Cut(folded[1:], between)
	}
	if !ok || len(folded) == 0 {
		return false
	}
	if len(texts[last]) == 0 {
		return true
	}
	for folded = folded[1:]; ; folded = folded[1:] {
		i := bytes.Index(folded, texts[last])
		if i < 0 {
			return false
		}
		folded = folded[i:]
		if more := bytes.TrimRight(folded[len(texts[last]):], " ."); len(more) == 0 || more[0] == '.' {
			return true
		}
	}
}

// foldRune returns one and the same rune for all that differ only in case. The
// Kelvin sign is a k to some, and the Turkish dotted I and dotless i, which
// simple folding keeps apart, are an i to those who convert to lower or upper
// case before they compare.
func foldRune(r rune) rune {
	if r == 'İ' || r == 'ı' {
		return 'i'
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least < utf8.RuneSelf {
		return rune(lower(byte(least)))
	}
	return least
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
