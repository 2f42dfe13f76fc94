package apikey

import "strings"

// Origin is one entry of a key's allowed_origins: an origin as browsers
// serialise it (RFC 6454 section 6.2), or a wildcard for all hosts below one.
// The zero Origin matches nothing. Origins compare with ==.
type Origin struct {
	exact  string // https://shop.example:8443, or ""
	scheme string // for a wildcard: https://
	suffix string // for a wildcard: .shop.example:8443
}

// String returns the canonical form, which [ParseOrigin] reads.
func (o Origin) String() string {
	if o.suffix != "" {
		return o.scheme + "*" + o.suffix
	}
	return o.exact
}

// Matches reports whether o covers the value of a request's Origin field. It
// compares exactly, as browsers serialise origins in one way only. A wildcard
// stands for one or more whole labels. Matches does not allocate.
func (o Origin) Matches(origin string) bool {
	if o.suffix == "" {
		return o.exact != "" && origin == o.exact
	}
	rest, ok := strings.CutPrefix(origin, o.scheme)
	if !ok {
		return false
	}
	labels, ok := strings.CutSuffix(rest, o.suffix)
	return ok && isHost(labels)
}

// isHost reports whether s is labels of a-z, 0-9, hyphen and underscore, as
// browsers allow in the host of an origin.
func isHost(s string) bool {
	labelLen := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && labelLen > 0:
			labelLen = 0
		case isBrandChar(c) || c == '-' || c == '_':
			labelLen++
		default:
			return false
		}
	}
	return labelLen > 0
}
