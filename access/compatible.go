package access

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Some programs turn certain characters beyond ASCII into ASCII. Unicode calls
// such characters compatible (form NFKC), for example full-width forms and
// ligatures; Windows maps them too when it converts to a code page. Some programs
// also treat ß as SS when they ignore case.

// compatible maps these characters to what programs make of them, folded. It is
// computed once, before the first request.
var compatible = sync.OnceValue(func() map[rune]string {
	all := map[rune]string{'ß': "ss", 'ẞ': "ss"}
	for _, block := range compatibleBlocks {
		for r := block.first; r <= block.last; r++ {
			made := norm.NFKC.PropertiesString(string(r)).Decomposition()
			if folded := string(bytes.Map(foldRune, made)); folded != "" && isASCII(folded) {
				all[r] = folded
			}
		}
	}
	return all
})

// compatibleBlocks are the blocks that have such characters.
var compatibleBlocks = []struct{ first, last rune }{
	{0x00a0, 0x33ff},
	{0xa700, 0xabff},
	{0xf900, 0xffff},
	{0x10780, 0x107bf}, // modifier letters
	{0x1ccd0, 0x1ccff}, // outlined letters and digits
	{0x1d400, 0x1d7ff}, // mathematical letters and digits
	{0x1f100, 0x1f1ff}, // enclosed letters and digits
	{0x1fbf0, 0x1fbff}, // segmented digits
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isLikeDelimiter reports whether some program turns r into a character that
// separates or ends a path.
func isLikeDelimiter(r rune) bool {
	made := compatible()[r]
	for i := range len(made) {
		switch made[i] {
		case '/', '\\', ';', '?', '#', '%':
			return true
		}
	}
	return false
}
