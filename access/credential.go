package access

import (
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// maxCredentialLen bounds the value of a header that carries a credential, in
// bytes. Tokens of other systems that are sent here by mistake fit in and are
// answered as invalid keys.
const maxCredentialLen = 4096

// Why a credential is malformed, in words for the client.
const (
	credentialTwoPlaces = "Credentials were sent in two headers. Send the API key once, in one of them."
	credentialRepeated  = "The header with the API key was sent more than once. Send it once."
	credentialNotBearer = "The Authorization header does not begin with Bearer and a space. Send Authorization: Bearer YOUR_KEY."
	credentialEmpty     = "The header for the API key has none in it. Send the key, or leave the header out."
	credentialTooLong   = "The header with the API key is longer than any key. Send the key alone."
	credentialBadChars  = "The header with the API key has characters that no key has, such as spaces, commas or quotes. Send the key alone, once."
)

// credential finds the one credential of a request. It refuses headers in which
// two readers could find different credentials. It does not check whether the
// credential is a token. If the request has a key header, Authorization may
// carry a credential of another scheme, which is for the backend. A token in a
// subprotocol stands alone.
func credential(brand string, q *Request, route *Route) (token string, reason Reason, detail string) {
	if route.takesProtocols(q) {
		return protocolCredential(q)
	}
	switch a, k := len(q.Authorization), len(q.KeyHeader); {
	case a == 0 && k == 0:
		return "", MissingKey, ""
	case a > 0 && k > 0 && (a > 1 || !isForBackend(brand, q.Authorization[0])):
		return "", MalformedRequest, credentialTwoPlaces
	case a > 1 || k > 1:
		return "", MalformedRequest, credentialRepeated
	case k == 0:
		if schemeOf(brand, q.Authorization[0]) == schemeOther {
			return "", MissingKey, "" // no credential for Keygate (RFC 6750 §3.1)
		}
		token, detail = bearerToken(q.Authorization[0])
	default:
		token, detail = q.KeyHeader[0], checkCredential(q.KeyHeader[0])
	}
	if detail != "" {
		return "", MalformedRequest, detail
	}
	return token, Allowed, ""
}

func protocolCredential(q *Request) (token string, reason Reason, detail string) {
	token = q.ProtocolTokens[0]
	switch {
	case len(q.Authorization) > 0 || len(q.KeyHeader) > 0:
		detail = credentialTwoPlaces
	case len(q.ProtocolTokens) > 1:
		detail = credentialRepeated
	default:
		detail = checkCredential(token)
	}
	if detail != "" {
		return "", MalformedRequest, detail
	}
	return token, Allowed, ""
}

// isForBackend reports whether the credential has another scheme and so belongs
// to the backend. A value that contains a Keygate token does not, because no
// backend may see one.
func isForBackend(brand, value string) bool {
	return schemeOf(brand, value) == schemeOther && !apikey.ContainsToken(value) && !apikey.ContainsToken(basicPairs(value))
}

// scheme is how the value of an Authorization header begins (RFC 9110 §11.4).
type scheme uint8

const (
	schemeNone   scheme = iota // no scheme, or a token without one
	schemeBearer               // case-insensitive
	schemeOther
)

func schemeOf(brand, value string) scheme {
	name, _, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(name, "Bearer"):
		return schemeBearer
	case !isSchemeName(name), len(name) > maxCredentialLen:
		return schemeNone
	// Keygate's own tokens look like a scheme. A token without Bearer is a
	// mistake that the client should hear about.
	case strings.Contains(name, brand+"_"):
		return schemeNone
	default:
		return schemeOther
	}
}

// bearerToken reads an Authorization value that has no scheme other than Bearer:
// "Bearer" in any case, one or more spaces, and the token (RFC 6750 §2.1).
func bearerToken(value string) (token, problem string) {
	if len(value) > maxCredentialLen {
		return "", credentialTooLong
	}
	scheme, token, _ := strings.Cut(value, " ")
	switch {
	case value == "":
		return "", credentialEmpty
	case !strings.EqualFold(scheme, "Bearer"):
		return "", credentialNotBearer
	}
	token = strings.TrimLeft(token, " ")
	return token, checkCredential(token)
}

func checkCredential(s string) (problem string) {
	switch {
	case s == "":
		return credentialEmpty
	case len(s) > maxCredentialLen:
		return credentialTooLong
	case !isB64Token(s):
		return credentialBadChars
	default:
		return ""
	}
}

var (
	isB64TokenChar = charSet(unreserved + "+/")
	isTokenChar    = charSet(alphanumeric + "!#$%&'*+-.^_`|~") // tchar of RFC 9110 §5.6.2
)

func isSchemeName(s string) bool {
	for i := range len(s) {
		if !isTokenChar[s[i]] {
			return false
		}
	}
	return s != ""
}

// isB64Token matches the b64token of RFC 6750 §2.1.
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !isB64TokenChar[body[i]] {
			return false
		}
	}
	return body != ""
}
