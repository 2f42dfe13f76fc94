package openapi

import "strings"

// Line returns the mapping as a line of the openapi block, or "" where it cannot
// be one.
func (m ScopeMapping) Line() string {
	source := Word(m.Source)
	if source == "" || len(m.Scopes) == 0 {
		return ""
	}
	return "scope_map " + source + " " + strings.Join(m.Scopes, " ")
}

// Word returns a text as one word of a Caddyfile; "" where it cannot be one.
// Between backquotes nothing is escaped, but variables of the environment are
// put in before anything is read.
func Word(text string) string {
	switch {
	case text == "" || strings.Contains(text, "`") || strings.Contains(text, "{$") || strings.ContainsFunc(text, isControl):
		return ""
	case strings.ContainsAny(text, " \"'{}#<\\") || strings.ContainsFunc(text, isForeign):
		return "`" + text + "`"
	}
	return text
}

func isControl(c rune) bool { return c < ' ' || 0x7f <= c && c < 0xa0 || c == '\ufeff' }

func isForeign(c rune) bool { return c >= 0x80 }
