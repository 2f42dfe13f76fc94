package apikey

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest texts on a key, in characters.
const (
	MaxWorkspaceLen   = 64
	MaxNameLen        = 100
	MaxDescriptionLen = 500
)

// checkText accepts text that people read, on one line and without anything
// that changes how the rest of the line is shown. Lengths are in characters.
func checkText(field, s string, least, most int) error {
	accepted := fmt.Sprintf("%d to %d characters, none of them control or bidi-control characters", least, most)
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
	position := 0
	for _, r := range s {
		position++
		switch {
		case unicode.IsControl(r):
			return refuse("has the control character %U at position %d", r, position)
		case unicode.Is(unicode.Bidi_Control, r):
			return refuse("has the bidi-control character %U at position %d", r, position)
		case r == '\u2028' || r == '\u2029':
			return refuse("has the line break %U at position %d", r, position)
		}
	}
	return nil
}

func tokenInside(field, accepted string) error {
	return &FieldError{Field: field, Problem: "holds a whole token, which is secret", Accepted: accepted}
}
