package access

import "strings"

// maxCredentialLen bounds the value of a header that carries a credential, in
// bytes. Tokens of other systems that end up here fit in; they are invalid
// keys.
const maxCredentialLen = 4096

// What makes a credential malformed, for the client.
const (
	credentialTwoPlaces = "Credentials were sent in two headers. Send the API key once, in one of them."
	credentialRepeated  = "The header with the API key was sent more than once. Send it once."
	credentialNotBearer = "The Authorization header has a scheme other than Bearer. Send Authorization: Bearer YOUR_KEY."
	credentialEmpty     = "The header for the API key has none in it. Send the key, or leave the header out."
	credentialTooLong   = "The header with the API key is longer than any key. Send the key alone."
	credentialBadChars  = "The header with the API key has characters that no key has, such as spaces, commas or quotes. Send the key alone, once."
)

// credential finds the one credential of a request, and refuses what two
// readers could take for different ones. It does not ask whether it is a token.
func credential(q *Request) (token string, reason Reason, detail string) {
	switch a, k := len(q.Authorization), len(q.KeyHeader); {
	case a == 0 && k == 0:
		return "", MissingKey, ""
	case a > 0 && k > 0:
		return "", MalformedRequest, credentialTwoPlaces
	case a+k > 1:
		return "", MalformedRequest, credentialRepeated
	case a == 1:
		token, detail = bearerToken(q.Authorization[0])
	default:
		token, detail = q.KeyHeader[0], checkCredential(q.KeyHeader[0])
	}
	if detail != "" {
		return "", MalformedRequest, detail
	}
	return token, Allowed, ""
}

// bearerToken reads the value of an Authorization field: a scheme in any case,
// one space or more, and the token (RFC 6750 §2.1).
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

var isB64TokenChar = charSet(unreserved + "+/")

// isB64Token is the b64token of RFC 6750 §2.1.
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !isB64TokenChar[body[i]] {
			return false
		}
	}
	return body != ""
}
