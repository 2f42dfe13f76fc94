package access

import "strings"

// maxOriginLen is enough for any scheme and for the longest host name, 253 bytes.
const maxOriginLen = 512

// ValidOrigin reports whether s is an origin as clients serialise it (RFC 6454
// §6.2): scheme "://" host [":" port], in lower case, at most 512 bytes. It
// accepts any scheme, because apps have their own (capacitor, chrome-extension).
// It does not accept "null". What it accepts is safe to repeat in a response
// header.
func ValidOrigin(s string) bool {
	if len(s) > maxOriginLen {
		return false
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return false
	}
	if after, ok := strings.CutPrefix(rest, "["); ok {
		address, port, ok := strings.Cut(after, "]")
		return ok && looksLikeIPv6(address) && (port == "" || isPort(port))
	}
	host, port := rest, ""
	if colon := strings.IndexByte(rest, ':'); colon >= 0 {
		host, port = rest[:colon], rest[colon:]
	}
	return isHostName(host) && (port == "" || isPort(port)) || s == "app://." // which Electron apps send
}

// isScheme matches the scheme of RFC 3986 §3.1, in lower case.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLower(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// isHostName accepts labels of a-z, 0-9, - and _, and a final dot, which browsers
// keep. IPv4 addresses have the same form.
func isHostName(s string) bool {
	labelLen := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isLower(c) || isDigit(c) || c == '-' || c == '_':
			labelLen++
		case c == '.' && labelLen > 0:
			labelLen = 0
		default:
			return false
		}
	}
	return s != ""
}

// looksLikeIPv6 looks only at the characters, because netip would allocate its
// errors.
func looksLikeIPv6(s string) bool {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	colons := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == ':':
			colons++
		case isDigit(c) || 'a' <= c && c <= 'f':
		default:
			return false
		}
	}
	return len(s) <= longest && colons >= 2
}

// isPort accepts a colon and 1–65535 without leading zeros.
func isPort(s string) bool {
	if len(s) < 2 || len(s) > len(":65535") || s[0] != ':' || s[1] == '0' {
		return false
	}
	port := 0
	for i := 1; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
		port = 10*port + int(s[i]-'0')
	}
	return port <= 65535
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
