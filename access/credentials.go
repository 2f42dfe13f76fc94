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
	return hasTokenWord(brand, value) || hasTokenWord(brand, basicPair(value))
}

// basicPair returns the name and the password in a value with the scheme Basic, or
// "" if there are none.
func basicPair(value string) string {
	scheme, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	rest = strings.TrimRight(strings.Trim(rest, " \t"), "=")
	for _, encoding := range [...]*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if pair, err := encoding.DecodeString(rest); err == nil {
			return string(pair)
		}
	}
	return ""
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
	inAuthorization, err := p.anyOurs(q.Authorization, true)
	inKeyHeader, err2 := p.anyOurs(q.KeyHeader, false)
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
// or that of a key that the store knows.
func (p *Policy) anyOurs(values []string, schemed bool) (bool, error) {
	for _, value := range values {
		if HoldsToken(p.Brand, value) {
			return true, nil
		}
		token, problem := value, checkCredential(value)
		if schemed {
			token, problem = bearerToken(value)
		}
		if problem != "" || !p.Keys.HasOpaque() {
			continue
		}
		hash := apikey.HashToken(token)
		_, grant, found, err := p.Keys.LookupOpaque(hash)
		if err != nil || found && hash.Equal(grant.Hash) {
			return true, err
		}
	}
	return false, nil
}
