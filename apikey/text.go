package apikey

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest accepted texts of a key, in characters.
const (
	MaxWorkspaceLen   = 64
	MaxNameLen        = 100
	MaxDescriptionLen = 500
	MaxActorLen       = 200
)

// CheckActor accepts the name of who makes a change: 1 to 200 characters by the
// rules for names. The error is a [*FieldError] about "by".
func CheckActor(by string) error { return checkText("by", by, 1, MaxActorLen) }

// checkText accepts text for people: one line in which every character can be
// seen. Lengths are in characters.
//
// It refuses control, format, private-use and default-ignorable characters, line
// breaks, noncharacters and blanks. It refuses spaces, except a single U+0020
// between other characters. It accepts a joiner or a variation selector where it
// changes how the text looks, see [shows].
func checkText(field, s string, least, most int) error {
	accepted := fmt.Sprintf("%d to %d characters, all of them visible, with single spaces between words", least, most)
	refuse := func(format string, args ...any) error {
		return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...), Accepted: accepted}
	}
	if ContainsToken(s) {
		return tokenInside(field, accepted)
	}
	if !utf8.ValidString(s) {
		return refuse("is not valid UTF-8")
	}
	switch n := utf8.RuneCountInString(s); {
	case n > most:
		return refuse("has %d characters", n)
	case n == 0 && least > 0:
		return refuse("is empty")
	case strings.TrimSpace(s) == "" && least > 0:
		return refuse("is blank")
	}
	if isPlain(s) {
		return nil
	}
	text := []rune(s)
	for i, r := range text {
		if kind := refusedKind(text, i); kind != "" {
			return refuse("has the %s %U at position %d", kind, r, i+1)
		}
	}
	return nil
}

// isPlain reports whether s is visible ASCII with single spaces in between, as
// most names are.
func isPlain(s string) bool {
	before := byte(' ')
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && before == ' ' {
			return false
		}
		before = s[i]
	}
	return before != ' ' || s == ""
}

// refusedKind names the kind of the character at i if it is not accepted there,
// and returns "" otherwise.
func refusedKind(text []rune, i int) string {
	switch r := text[i]; {
	case r > ' ' && r <= '~':
		return ""
	case r == ' ':
		if i == 0 || i == len(text)-1 || text[i-1] == ' ' {
			return "space"
		}
		return ""
	case unicode.IsControl(r):
		return "control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return "bidi-control character"
	case unicode.In(r, unicode.Zl, unicode.Zp):
		return "line break"
	case unicode.Is(unicode.Zs, r):
		return "space"
	case unicode.Is(unicode.Co, r):
		return "private-use character"
	case unicode.Is(unicode.Noncharacter_Code_Point, r):
		return "noncharacter"
	case isInvisible(r) && !shows(text, i):
		return "invisible character"
	default:
		return ""
	}
}

// isInvisible reports whether r is drawn as nothing: a
// Default_Ignorable_Code_Point, part of which Unicode derives from these
// properties, a format character, or a blank.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || strings.ContainsRune(blanks, r)
}

// blanks are characters that are drawn as nothing, or as some placeholder, and
// that no Unicode property identifies: a Braille pattern, the object replacement
// character, two Egyptian blanks, a Khitan filler, and a musical notehead.
const blanks = "\u2800\ufffc\U00013441\U00013442\U00016fe4\U0001d159"

func tokenInside(field, accepted string) error {
	return &FieldError{Field: field, Problem: "holds a whole token, which is secret", Accepted: accepted}
}
