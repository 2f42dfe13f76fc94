// Package english has the bits of English grammar that messages need: plurals and
// lists of alternatives.
package english

import (
	"strconv"
	"strings"
)

// Plural returns a number with its noun: "1 key", "2 keys".
func Plural(n int, noun string) string { return Count(n, noun, noun+"s") }

// Count returns a number with the form that fits it: "1 record is", "2 records
// are".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Or joins alternatives: "closed, share or open".
func Or(words []string) string { return join(words, " or ") }

// And joins what holds together: "list keys, rotate keys and delete keys".
func And(words []string) string { return join(words, " and ") }

func join(words []string, before string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + before + words[last]
}
