package term

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Visible escapes characters that would steer a terminal or change the order in
// which a line reads. Control, bidi and other invisible characters become \x1b,
// \u202e and so on, and bytes that are not UTF-8 become \xff. The result is for
// showing, not for reading back.
func Visible(s string) string {
	if !strings.ContainsFunc(s, IsUnsafe) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case IsUnsafe(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// VisibleJSON escapes the same characters in JSON, where they occur only inside
// strings. text must be output of encoding/json, which is always UTF-8.
func VisibleJSON(text []byte) []byte {
	if !strings.ContainsFunc(string(text), IsUnsafe) {
		return text
	}
	safe := make([]byte, 0, len(text)+16)
	for _, r := range string(text) {
		switch {
		case !IsUnsafe(r):
			safe = utf8.AppendRune(safe, r)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00 // RFC 8259 section 7
			safe = fmt.Appendf(safe, `\u%04x\u%04x`, high, low)
		default:
			safe = fmt.Appendf(safe, `\u%04x`, r)
		}
	}
	return safe
}

// IsUnsafe reports whether r is a control or format character or a line
// separator. It accepts the two joiners, which Persian and Hindi need and which
// steer nothing.
func IsUnsafe(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	switch {
	case r >= ' ' && r <= '~', r == zeroWidthNonJoiner, r == zeroWidthJoiner:
		return false
	default:
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	}
}

// DisplayWidth returns how many columns of a terminal s takes.
func DisplayWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r >= ' ' && r <= '~' {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// cut shortens s to n columns, the last of which is an ellipsis.
func cut(s string, n int) string {
	if DisplayWidth(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		used += runeWidth(r)
		if used > n-1 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

// Wrap breaks s into lines of n columns, between words where possible. If n is
// too small to be useful, s stays in one line.
func Wrap(s string, n int) []string {
	const useful = 16
	if n < useful {
		return []string{s}
	}
	var lines []string
	for DisplayWidth(s) > n {
		end, space, used := 0, -1, 0
		for i, r := range s {
			if used += runeWidth(r); used > n {
				end = i
				break
			}
			if r == ' ' {
				space = i
			}
		}
		if s[end] == ' ' {
			space = end
		}
		if space > 0 {
			end = space
		}
		lines = append(lines, s[:end])
		s = strings.TrimLeft(s[end:], " ")
	}
	return append(lines, s)
}

// Megabytes formats a size given in bytes.
func Megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
