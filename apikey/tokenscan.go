package apikey

// ContainsToken reports whether s holds something in the shape of a token of
// any brand, whatever its checksum. What does must not be shown or stored.
func ContainsToken(s string) bool {
	for i := range len(s) {
		if s[i] == '_' && endsInBrand(s[:i]) && secretFollows(s[i+1:], SecretLen+ChecksumLen) {
			return true
		}
	}
	return false
}

// resemblesToken also finds a token that lost its brand or its end when it was
// copied. It may hide an innocent text, so it decides only what errors quote.
func resemblesToken(s string) bool {
	const tooMuch = 16 // characters of the secret: half of it
	if secretFollows(s, tooMuch) {
		return true
	}
	for i := range len(s) {
		if s[i] == '_' && secretFollows(s[i+1:], tooMuch) {
			return true
		}
	}
	return false
}

// secretFollows reports whether s begins with an ID, an underscore and at
// least n base62 characters.
func secretFollows(s string, n int) bool {
	return len(s) >= IDLen+1+n && s[IDLen] == '_' && isBase62(s[:IDLen]) && isBase62(s[IDLen+1:IDLen+1+n])
}

// endsInBrand reports whether some suffix of s is a brand.
func endsInBrand(s string) bool {
	for n := 1; n <= maxBrandLen && n <= len(s); n++ {
		switch c := s[len(s)-n]; {
		case !isBrandChar(c):
			return false
		case n >= minBrandLen && isLower(c):
			return true
		}
	}
	return false
}
