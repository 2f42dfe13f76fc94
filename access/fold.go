package access

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Some backends ignore case, or do not tell whether a reserved character was
// percent-encoded. Some trim spaces around a segment or ignore a format after a
// literal. Some turn other characters into ASCII. Folding gives segments the same
// form if some backend treats them as the same.

// pluses says how a plus sign in a path is read.
type pluses byte

// Patterns and most backends read it literally. Some backends read it as a space.
const (
	plusIsPlus  pluses = '+'
	plusIsSpace pluses = ' '
)

// fold appends a segment to dst, which must be empty: percent-decoded, with case
// folded, and without spaces around it. It returns false if the segment does not
// fit into dst; the part that fits is there nevertheless.
func fold(dst []byte, segment string, plus pluses) ([]byte, bool) {
	var buf [maxFoldedRune]byte
	for i := 0; i < len(segment); {
		if len(dst) == cap(dst) {
			return dst, false
		}
		if c := segment[i]; c != '%' && c != '+' {
			dst = append(dst, lower(c))
			i++
			continue
		}
		folded, size := nextFolded(buf[:0], segment[i:])
		if size == 0 {
			return nil, false // cannot occur in a path that CheckPath accepts
		}
		i += size
		if len(folded) == 1 && folded[0] == '+' {
			folded[0] = byte(plus)
		}
		if r, _ := utf8.DecodeRune(folded); len(dst) == 0 && isSpace(r) {
			continue
		}
		if len(dst)+len(folded) > cap(dst) {
			return dst, false
		}
		dst = append(dst, folded...)
	}
	return trimSpaces(dst), true
}

// maxFoldedRune is the maximum length of one folded character.
const maxFoldedRune = 8 // bytes

// nextFolded appends the first character of a segment, folded, and returns how
// long it is in the segment: 0 if the segment does not start with a character.
func nextFolded(dst []byte, segment string) (folded []byte, size int) {
	if segment[0] != '%' {
		return append(dst, lower(segment[0])), 1
	}
	r, size := decodeEscape(segment)
	if r < utf8.RuneSelf {
		return append(dst, lower(byte(r))), size
	}
	if made := compatible()[r]; made != "" {
		return append(dst, made...), size
	}
	return utf8.AppendRune(dst, foldRune(r)), size
}

// isSpace reports whether programs trim r.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

// isBlank reports whether programs would trim all of a segment, which must not be
// empty: it consists of dots, spaces, pluses that some read as spaces, and
// characters that some turn into one of these.
func isBlank(segment string) bool { return beginsBlank[segment[0]] && isBlankToEnd(segment) }

var beginsBlank = charSet(".+%")

func isBlankToEnd(segment string) bool {
	var buf [maxFoldedRune]byte
	for segment != "" {
		folded, size := nextFolded(buf[:0], segment)
		if size == 0 || len(bytes.TrimLeftFunc(folded, isBlankRune)) > 0 {
			return false
		}
		segment = segment[size:]
	}
	return true
}

func isBlankRune(r rune) bool { return r == '.' || r == '+' || isSpace(r) }

// trimSpaces removes trailing spaces.
func trimSpaces(text []byte) []byte {
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] >= utf8.RuneSelf) {
		r, size := utf8.DecodeLastRune(text)
		if !isSpace(r) {
			return text
		}
		text = text[:len(text)-size]
	}
	return text
}

// isFolded reports whether folding does not change a segment, and no part of it
// can be a format.
func isFolded(segment string) bool {
	for i := range len(segment) {
		if !isFoldedChar[segment[i]] {
			return false
		}
	}
	return true
}

// mayHavePlus may return true although there is no plus.
func mayHavePlus(segment string) bool { return strings.ContainsAny(segment, "+%") }

// isFoldedChar excludes capitals, percent signs, the plus, and the dot that
// starts a format.
var isFoldedChar = charSet("abcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*,=:@[]")

// foldedText folds a literal of a pattern. The result may be longer than the
// literal.
func foldedText(text string) []byte {
	folded, _ := fold(make([]byte, 0, 2*len(text)+maxFoldedRune), text, plusIsPlus)
	return folded
}

// foldedTexts folds the texts around names. It keeps spaces between two names.
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

// isLike reports whether some backend would match a folded segment with a segment
// of a pattern, given by its folded texts. Some backends accept an empty name.
// Some append a format to patterns, so that a dot and any text may follow. Some
// remove dots and spaces at the end.
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

// foldRune returns the same rune for all runes that differ only in case. Some
// programs treat the Kelvin sign as k. Simple folding keeps the Turkish dotted I
// and dotless i apart, but programs that convert to lower or upper case before
// they compare treat both as i.
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
