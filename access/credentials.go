package access

import (
	"cmp"
	"encoding/base64"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// Untouched says which headers with credentials go on to the backend as they came,
// because what is in them is the backend's.
type Untouched struct {
	Authorization, KeyHeader bool
}

// HoldsToken reports whether the value of a header for credentials has a token of
// the brand in it, right or wrong: whole or cut off, in any case, with any scheme
// or none, also as a name or password of Basic (RFC 7617 §2).
//
// The brand counts where a word begins. Within a word, where it may stand by
// chance, as in a JWT, only a token with its checksum counts.
func HoldsToken(brand, value string) bool {
	return hasTokenWord(brand, value) || hasTokenWord(brand, basicPairs(value))
}

// basicPairs returns the names and passwords in a value with the scheme Basic, one pair
// a line, or "" if there are none. Backends differ in what they take for base64: many
// leave out other characters, and either end at a = in the middle or leave it out. So
// there may be several pairs.
func basicPairs(value string) string {
	scheme, rest := cutScheme(value)
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	whole := decodeBase64(rest) // as if each = in it were not there
	if rest = strings.TrimRight(rest, "= \t"); !strings.Contains(rest, "=") {
		return whole
	}
	var pairs strings.Builder
	pairs.WriteString(whole)
	for part := range strings.SplitSeq(rest, "=") {
		pairs.WriteByte('\n')
		pairs.WriteString(decodeBase64(part))
	}
	return pairs.String()
}

// decodeBase64 decodes s, in either alphabet. It leaves out all other characters.
func decodeBase64(s string) string {
	digits := strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r < 0x80 && isB64TokenChar[r] && r != '.' && r != '~':
			return r
		default:
			return -1
		}
	}, s)
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	text, err := base64.RawStdEncoding.DecodeString(digits)
	if err != nil {
		return ""
	}
	return string(text)
}

// cutScheme splits a value after its first word.
func cutScheme(value string) (scheme, rest string) {
	value = strings.TrimLeft(value, " \t")
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		return value[:i], strings.Trim(value[i:], " \t")
	}
	return value, ""
}

// Bounds of what one value costs, a look-up for each token, and of the values that are
// looked at.
const (
	mostTokens = 16
	mostValues = 32
)

// eachToken yields what may be a token of another system in the value of a header for
// credentials: all of it, what follows a scheme, and in Basic the name, the password and
// both. A value may be a list, as proxies make of a header that was sent twice. It ends
// when yield returns false, and after mostTokens.
func eachToken(value string, yield func(token string) bool) {
	if len(value) > maxCredentialLen {
		return
	}
	left := mostTokens
	ends := func(token string) bool {
		if checkCredential(token) != "" {
			return false
		}
		left--
		return !yield(token) || left == 0
	}
	for item := range strings.SplitSeq(value, ",") {
		item = strings.Trim(item, " \t")
		if scheme, rest := cutScheme(item); ends(item) || scheme != item && ends(rest) {
			return
		}
	}
	for pair := range strings.Lines(basicPairs(value)) {
		pair = strings.TrimSuffix(pair, "\n")
		name, password, found := strings.Cut(pair, ":")
		if ends(name) || found && ends(password) {
			return
		}
	}
}

// hasTokenWord looks at the words of characters that tokens of any system have.
func hasTokenWord(brand, s string) bool {
	for i := range len(s) {
		if s[i] != '_' || i < len(brand) || !strings.EqualFold(s[i-len(brand):i], brand) {
			continue
		}
		start := i - len(brand)
		if start == 0 || !isB64TokenChar[s[start-1]] {
			return true
		}
		if end := start + apikey.TokenLen(brand); end <= len(s) {
			if _, ok := apikey.Parse(brand, s[start:end]); ok {
				return true
			}
		}
	}
	return false
}

// sifted is the credential of a request, and what else is in its place.
type sifted struct {
	token     string
	untouched Untouched
	foreign   bool // there is none of Keygate's, and Foreign says that this is no matter
	reason    Reason
	detail    string
	err       error // of the store, which had to be asked whose a credential is
}

// sift finds the one credential. With Foreign it leaves out the headers that hold
// none of Keygate's. A header that was sent several times counts as Keygate's if one
// of its values is, and is then refused: two readers could take different values.
// After an error nobody knows whether a credential is a key's, because it may be a
// token of another system.
func (p *Policy) sift(q *Request, route *Route) (c sifted) {
	if !p.Foreign {
		c.token, c.reason, c.detail = credential(p.Brand, q, route)
		// In mode report Authorization is not the backend's if it holds a token of
		// the brand, whole or in part.
		c.untouched.Authorization = len(q.KeyHeader) > 0 && len(q.Authorization) > 0 && (!p.Report || !HoldsToken(p.Brand, q.Authorization[0]))
		return c
	}
	inAuthorization, err := p.anyOurs(q.Authorization)
	inKeyHeader, err2 := p.anyOurs(q.KeyHeader)
	if c.err = cmp.Or(err, err2); c.err != nil {
		c.reason = StoreUnavailable
		return c
	}
	c.untouched = Untouched{!inAuthorization, !inKeyHeader}
	alone := *q
	inProtocol := route.takesProtocols(q)
	switch c.untouched {
	case Untouched{true, true}:
		if !inProtocol {
			c.foreign, c.reason = true, Allowed
			return c
		}
		alone.Authorization, alone.KeyHeader = nil, nil
	case Untouched{}:
		c.reason, c.detail = MalformedRequest, credentialTwoPlaces
		return c
	case Untouched{Authorization: true}:
		alone.Authorization = nil
	default:
		alone.KeyHeader = nil
	}
	c.token, c.reason, c.detail = credential(p.Brand, &alone, route)
	return c
}

// anyOurs reports whether one of the values of a header has a token of the brand,
// or that of a key that the store knows. More than mostValues count as if one had.
func (p *Policy) anyOurs(values []string) (ours bool, err error) {
	if len(values) > mostValues {
		return true, nil
	}
	for _, value := range values {
		if HoldsToken(p.Brand, value) {
			return true, nil
		}
		if !p.Keys.HasOpaque() {
			continue
		}
		eachToken(value, func(token string) bool {
			hash := apikey.HashToken(token)
			_, grant, found, failed := p.Keys.LookupOpaque(hash)
			ours, err = found && hash.Equal(grant.Hash), failed
			return !ours && err == nil
		})
		if ours || err != nil {
			return true, err
		}
	}
	return false, nil
}
