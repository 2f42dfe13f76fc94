package access

import "unicode/utf8"

// Why a path is ambiguous, in words for the client.
const (
	pathNotAbsolute       = "The request target is not a path that starts with a slash. Send one such as /v1/posts."
	pathEmptySegment      = "The path has an empty segment (//). Send it with single slashes."
	pathDotSegment        = "The path has a . or .. segment. Send the path that it leads to."
	pathBlankSegment      = "The path has a segment of nothing but dots, spaces or plus signs. Send the path without it."
	pathLookalike         = "The path has a character that some programs take for a slash, a backslash or one of ? # ; %. Send the path without it."
	pathBackslash         = "The path has a backslash, as it is or percent-encoded. Send the path without it."
	pathSemicolon         = "The path has a semicolon, as it is or percent-encoded. Send the path without it."
	pathEncodedQuestion   = "The path has a percent-encoded question mark (%3F). Send the path without it."
	pathEncodedHash       = "The path has a percent-encoded hash sign (%23). Send the path without it."
	pathControl           = "The path has a control character, as it is or percent-encoded. Send the path without it."
	pathBadEscape         = "The path has a % that two hexadecimal digits do not follow. Percent-encode the path again."
	pathBadUTF8           = "The path is not UTF-8 once it is percent-decoded. Percent-encode it from UTF-8."
	pathEncodedSlash      = "The path has a percent-encoded slash (%2F). Send the path without it."
	pathEncodedPercent    = "The path has a percent-encoded percent sign (%25), as paths that were encoded twice do. Encode it once, and without that sign."
	pathEncodedUnreserved = "The path has a letter, a digit or one of - . _ ~ in percent-encoded form. Send these characters as they are."
	pathUnencoded         = "The path has a character that may only be sent percent-encoded. Percent-encode it."
)

// CheckPath decides whether every backend reads a path in the same way. It takes
// the bytes that will be forwarded, such as [net/url.URL.EscapedPath] returns. It
// returns "" if so. Otherwise it returns a sentence or two for the client that
// say what is wrong and never quote the path.
//
// It refuses what backends are known to decode, clean, merge or cut off in
// different ways: empty, "." and ".." segments, backslashes, semicolons, control
// characters, and invalid percent-encoding or UTF-8. It refuses the same if it is
// percent-encoded, once or more often, so no %25 passes. It refuses
// percent-encoded question marks and hash signs, because some programs decode
// first and cut there. It refuses percent-encoded unreserved characters (RFC 3986
// §2.3) rather than decoding them, so that what is authorised is what is
// forwarded. It refuses segments of only dots and spaces, which some programs
// trim, and characters that some programs treat as delimiters, such as full-width
// ones.
//
// One slash at the end passes: it makes a different path.
func CheckPath(escaped string) (problem string) {
	if escaped == "" || escaped[0] != '/' {
		return pathNotAbsolute
	}
	segment := 1 // start of the current segment
	for i := 1; i < len(escaped); {
		switch c := escaped[i]; {
		case isPathChar[c]:
			i++
		case c == '/':
			if i == segment {
				return pathEmptySegment
			}
			if isBlank(escaped[segment:i]) {
				return blankProblem(escaped[segment:i])
			}
			i++
			segment = i
		case c == '%':
			r, n := decodeEscape(escaped[i:])
			if problem := checkEscape(r, n); problem != "" {
				return problem
			}
			i += n
		default:
			return rawProblem(c)
		}
	}
	if segment < len(escaped) && isBlank(escaped[segment:]) {
		return blankProblem(escaped[segment:])
	}
	return ""
}

// blankProblem says what is wrong with a segment that some programs would resolve
// or trim away.
func blankProblem(segment string) string {
	if isDotSegment(segment) {
		return pathDotSegment
	}
	return pathBlankSegment
}

func isDotSegment(s string) bool { return s == "." || s == ".." }

// rawProblem says why c must not be in a path.
func rawProblem(c byte) string {
	switch {
	case c == '\\':
		return pathBackslash
	case c == ';':
		return pathSemicolon
	case isControl(rune(c)) && c < utf8.RuneSelf:
		return pathControl
	default:
		return pathUnencoded
	}
}

// checkEscape judges the result of decodeEscape.
func checkEscape(r rune, n int) string {
	switch {
	case n == 0:
		return pathBadEscape
	case r == utf8.RuneError && n == badUTF8:
		return pathBadUTF8
	case isControl(r):
		return pathControl
	case r == '/':
		return pathEncodedSlash
	case r == '%':
		return pathEncodedPercent
	case r == '?':
		return pathEncodedQuestion
	case r == '#':
		return pathEncodedHash
	case r < utf8.RuneSelf && isUnreserved[r]:
		return pathEncodedUnreserved
	case r == '\\', r == ';':
		return rawProblem(byte(r))
	case r >= utf8.RuneSelf && isLikeDelimiter(r):
		return pathLookalike
	default:
		return ""
	}
}

// badUTF8 is the length of one escape. Together with utf8.RuneError it means that
// the escape starts no character. U+FFFD itself has three escapes.
const badUTF8 = len("%XX")

// decodeEscape reads the percent-encoded character at the start of s, and returns
// how many bytes of s it takes: 0 if the % is not followed by two hexadecimal
// digits. See badUTF8 for bytes that are not UTF-8.
func decodeEscape(s string) (rune, int) {
	var buf [utf8.UTFMax]byte
	n := 0
	for len(s) >= 3 && s[0] == '%' && n < len(buf) {
		high, low := hexValue[s[1]], hexValue[s[2]]
		if high < 0 || low < 0 {
			break
		}
		buf[n] = byte(high)<<4 | byte(low)
		if n == 0 && buf[0] < utf8.RuneSelf {
			return rune(buf[0]), 3
		}
		n++
		s = s[3:]
	}
	if n == 0 {
		return utf8.RuneError, 0
	}
	r, size := utf8.DecodeRune(buf[:n])
	return r, 3 * size
}

// isControl reports whether r is C0, DEL or C1.
func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r <= 0x9f }

const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	unreserved   = alphanumeric + "-._~"         // RFC 3986 §2.3
	subDelims    = "!$&'()*+,="                  // RFC 3986 §2.2, without the semicolon
	pathChars    = unreserved + subDelims + ":@" // pchar of RFC 3986 §3.3
)

var (
	isUnreserved = charSet(unreserved)
	// Brackets are no pchar, but clients send them and net/url forwards them
	// unchanged.
	isPathChar = charSet(pathChars + "[]")

	hexValue = func() (values [256]int8) {
		for c := range values {
			values[c] = -1
		}
		for i, c := range []byte("0123456789abcdef") {
			values[c] = int8(i)
		}
		for i, c := range []byte("ABCDEF") {
			values[c] = int8(10 + i)
		}
		return values
	}()
)

func charSet(chars string) (set [256]bool) {
	for i := range len(chars) {
		set[chars[i]] = true
	}
	return set
}
