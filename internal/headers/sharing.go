package headers

import "strings"

// SharedOnPurpose reports whether Cache-Control itself says whether shared caches
// may keep the answer. A malformed directive does not count, and neither does
// private for certain fields.
func SharedOnPurpose(said string) bool {
	for said != "" {
		var directive string
		directive, said = cutDirective(said)
		name, argument, qualified := strings.Cut(directive, "=")
		switch strings.ToLower(name) {
		case "private", "no-store", "public":
			if !qualified {
				return true
			}
		case "s-maxage":
			if isSeconds(argument) {
				return true
			}
		}
	}
	return false
}

// cutDirective cuts the first directive off a list separated by commas, ignoring
// commas inside quoted strings (RFC 9110 §5.6.4).
func cutDirective(list string) (directive, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return strings.Trim(list[:i], " \t"), list[i+1:]
		}
	}
	if quoted {
		return "", ""
	}
	return strings.Trim(list, " \t"), ""
}

// isSeconds accepts a number, which may be a quoted string (RFC 9111 §5.2).
func isSeconds(s string) bool {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return s != "" && strings.Trim(s, "0123456789") == ""
}
