package access

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Some backends ignore case, whether reserved characters came percent-encoded,
// spaces around a segment, or a format behind a literal, and some make other
// characters ASCII. What they make the same is folded to the same.

// pluses says what a plus in a path is.
type pluses byte

// Patterns have it as it is, and so do most backends; to some it is a space.
const (
	plusIsPlus  pluses = '+'
	plusIsSpace pluses = ' '
)

// fold appends a segment to dst, which is empty, percent-decoded and without
// regard to case or to spaces around it. It returns false for segments too long
// for dst; what fits is there all the same.
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
			return nil, false // in no path that CheckPath accepts
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

// maxFoldedRune is how long one character can become.
const maxFoldedRune = 8 // bytes

// nextFolded appends the first character of a segment, and returns how long that
// is there: 0 if it is no character.
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

// isSpace is true for what programs trim.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

// isBlank reports whether a segment, which is not empty, is nothing but what
// programs trim: dots, spaces, pluses that are spaces to them, and what is made
// one of these.
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

// trimSpaces drops spaces at the end.
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

// mayHavePlus may be true without one.
func mayHavePlus(segment string) bool { return strings.ContainsAny(segment, "+%") }

// isFoldedChar leaves out capitals, what is percent-encoded, the plus, and the
// dot that a format begins with.
var isFoldedChar = charSet("abcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*,=:@[]")

// foldedText folds a literal of a pattern. What it is folded to may be longer.
func foldedText(text string) []byte {
	folded, _ := fold(make([]byte, 0, 2*len(text)+maxFoldedRune), text, plusIsPlus)
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
