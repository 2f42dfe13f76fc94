package access

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Some backends ignore case, whether reserved characters came percent-encoded,
// spaces around a segment, or a format behind a literal. What they make the same
// is folded to the same.

// fold appends a segment to dst, which is empty, percent-decoded and without
// regard to case or to spaces around it. It returns false for segments too long
// for dst.
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
		if len(dst) == 0 && n > 0 && isSpace(r) {
			i += n
			continue
		}
		r = foldRune(r)
		if n == 0 || len(dst)+utf8.RuneLen(r) > cap(dst) {
			return nil, false
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return trimSpaces(dst), true
}

// nextRune returns the first character of a text, folded, and its length.
func nextRune(text string) (r rune, size int) {
	if text[0] != '%' {
		return rune(lower(text[0])), 1
	}
	r, size = decodeEscape(text)
	return foldRune(r), max(size, 1)
}

// isSpace is true for what programs trim.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

// trimSpaces drops spaces at the end.
func trimSpaces(text []byte) []byte {
	for {
		r, size := utf8.DecodeLastRune(text)
		if !isSpace(r) {
			return text
		}
		text = text[:len(text)-size]
	}
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

// foldedText folds a literal of a pattern. What it is folded to may be longer.
func foldedText(text string) []byte {
	folded, _ := fold(make([]byte, 0, 2*len(text)+utf8.UTFMax), text)
	return folded
}

// foldedTexts folds the texts around names. Spaces between two are kept.
func foldedTexts(texts []string) [][]byte {
	folded := make([][]byte, len(texts))
	for i, text := range texts {
		const mark = "x"
		before, after := mark, mark
		if i == 0 {
			before = ""
		}
		if i == len(texts)-1 {
			after = ""
		}
		folded[i] = bytes.TrimSuffix(bytes.TrimPrefix(foldedText(before+text+after), []byte(before)), []byte(after))
	}
	return folded
}

// isLike reports whether a folded segment is, to some backend, of the folded
// texts of a segment with names. Some take nothing for a name. Some append a
// format to patterns, so that a dot and anything may follow, and some take off
// dots and spaces at the end.
func isLike(texts [][]byte, folded []byte) bool {
	last := len(texts) - 1
	folded, ok := bytes.CutPrefix(folded, texts[0])
	for _, between := range texts[1:last] {
		if !ok {
			return false
		}
		_, folded, ok = bytes.Cut(folded, between)
	}
	if !ok || len(texts[last]) == 0 {
		return ok
	}
	for {
		i := bytes.Index(folded, texts[last])
		if i < 0 {
			return false
		}
		after := bytes.TrimLeftFunc(folded[i+len(texts[last]):], isSpace)
		if len(after) == 0 || after[0] == '.' {
			return true
		}
		folded = folded[i+1:]
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
