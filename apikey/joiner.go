package apikey

import (
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Characters that are invisible themselves and change how others look.
const (
	nonJoiner     = '\u200c'
	joiner        = '\u200d'
	asText        = '\ufe0e' // variation selector for a pictograph in black and white
	asEmoji       = '\ufe0f' // variation selector for a pictograph in colour
	keycap        = '\u20e3'
	firstSkinTone = '\U0001f3fb'
	lastSkinTone  = '\U0001f3ff'
)

// shows reports whether the invisible character at i changes how the text looks:
// a variation selector after a pictograph or in a keycap; a joiner between two
// pictographs; a joiner or non-joiner beside a virama, as Indic scripts are
// written; and a non-joiner between two letters that would join without it, as
// Persian is written (RFC 5892, Appendix A.1).
func shows(text []rune, i int) bool {
	before, after := at(text, i-1), at(text, i+1)
	switch text[i] {
	case asEmoji:
		return isPictograph(before) || after == keycap && isKeycapBase(before)
	case asText:
		return isPictograph(before)
	case joiner:
		return joinsPictographs(text, i) || besideVirama(before, after)
	case nonJoiner:
		return besideVirama(before, after) || keepsApart(text, i)
	default:
		return false
	}
}

// at returns the character at i, or 0 if there is none.
func at(text []rune, i int) rune {
	if i < 0 || i >= len(text) {
		return 0
	}
	return text[i]
}

func isKeycapBase(r rune) bool { return r >= '0' && r <= '9' || r == '#' || r == '*' }

// joinsPictographs skips the modifiers of the pictograph before i.
func joinsPictographs(text []rune, i int) bool {
	before := at(text, i-1)
	if before == asEmoji || before >= firstSkinTone && before <= lastSkinTone {
		before = at(text, i-2)
	}
	return isPictograph(before) && isPictograph(at(text, i+1))
}

// besideVirama reports whether a joiner between the two stands after a virama, or
// between a letter and a virama. The latter is how Bengali and Sinhala write some
// letters.
func besideVirama(before, after rune) bool {
	return isVirama(before) || unicode.IsLetter(before) && isVirama(after)
}

// isVirama reports whether r has the canonical combining class of viramas, the
// signs that remove the vowel of a letter.
func isVirama(r rune) bool {
	const virama = 9
	return r != 0 && norm.NFC.PropertiesString(string(r)).CCC() == virama
}

// contextRules applies the rules of RFC 5892 on joiners, and no others.
var contextRules = idna.New(idna.CheckJoiners(true))

// keepsApart reports whether the letters around the non-joiner at i would join
// without it. It asks whether the word around i may stand in a domain name.
func keepsApart(text []rune, i int) bool {
	inWord := func(r rune) bool { return r == nonJoiner || unicode.In(r, unicode.L, unicode.M) }
	first, last := i, i
	for inWord(at(text, first-1)) {
		first--
	}
	for inWord(at(text, last+1)) {
		last++
	}
	_, err := contextRules.ToUnicode(string(text[first : last+1]))
	return err == nil
}
