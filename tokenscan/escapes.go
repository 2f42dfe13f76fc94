package tokenscan

import "bytes"

// What a byte can be: part of a token, escaped or not; of its ID or secret; of
// its brand.
var inToken, base62, isBrand = func() (in, all, brand [256]bool) {
	for c := range 256 {
		lower, digit := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
		brand[c] = lower || digit
		all[c] = brand[c] || c >= 'A' && c <= 'Z'
		in[c] = all[c] || bytes.IndexByte([]byte(`_\%&#;`), byte(c)) >= 0
	}
	return in, all, brand
}()

func isBase62(b []byte) bool {
	for _, c := range b {
		if !base62[c] {
			return false
		}
	}
	return true
}

// escapes reports whether a text has any byte that an escape begins with.
func escapes(b []byte) bool {
	return bytes.IndexByte(b, '%') >= 0 || bytes.IndexByte(b, '\\') >= 0 || bytes.IndexByte(b, '&') >= 0
}

// unescape appends b without one layer of escapes. It keeps all other bytes as they
// are.
func unescape(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		c, n := b[i], 1
		switch c {
		case '%':
			if code, ok := number(b[i+1:], 2, 16); ok {
				c, n = ascii(code), 3
			}
		case '\\':
			c, n = backslash(b[i:])
		case '&':
			c, n = entity(b[i:])
		}
		dst = append(dst, c)
		i += n
	}
	return dst
}

// backslash reads an escape that begins with a backslash, and returns the
// character and the length of its escape.
func backslash(b []byte) (c byte, n int) {
	if len(b) < 2 {
		return b[0], 1
	}
	switch b[1] {
	case '\\', '_':
		return b[1], 2
	case 'u':
		if code, ok := number(b[2:], 4, 16); ok {
			return ascii(code), 6
		}
	case 'x':
		if code, ok := number(b[2:], 2, 16); ok {
			return ascii(code), 4
		}
	}
	return b[0], 1
}

var entities = []struct {
	name []byte
	c    byte
}{{[]byte("&amp;"), '&'}, {[]byte("&lowbar;"), '_'}}

// entity reads a character reference of HTML, as backslash does.
func entity(b []byte) (c byte, n int) {
	for _, named := range entities {
		if bytes.HasPrefix(b, named.name) {
			return named.c, len(named.name)
		}
	}
	const most = 8 // digits, with zeros in front
	if len(b) < 2 || b[1] != '#' {
		return b[0], 1
	}
	from, base := 2, 10
	if len(b) > 2 && (b[2] == 'x' || b[2] == 'X') {
		from, base = 3, 16
	}
	digits := bytes.IndexByte(b[from:min(len(b), from+most+1)], ';')
	if code, ok := number(b[from:], digits, base); ok {
		return ascii(code), from + digits + 1
	}
	return b[0], 1
}

// number reads so many digits, at least one.
func number(b []byte, digits, base int) (n int, ok bool) {
	if digits < 1 || len(b) < digits {
		return 0, false
	}
	for _, c := range b[:digits] {
		var d int
		switch {
		case c >= '0' && c <= '9':
			d = int(c - '0')
		case c >= 'a' && c <= 'f':
			d = int(c-'a') + 10
		case c >= 'A' && c <= 'F':
			d = int(c-'A') + 10
		default:
			return 0, false
		}
		if d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}

// ascii returns the character of a code, or a space for one beyond ASCII, which no
// token has.
func ascii(code int) byte {
	if code >= 0x80 {
		return ' '
	}
	return byte(code)
}
