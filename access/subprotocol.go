package access

import (
	"net/http"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// TokenProtocol begins the name of a WebSocket's subprotocol that carries a token.
// Pages can set no header of a WebSocket but Sec-WebSocket-Protocol.
const TokenProtocol = "keygate.token."

// TakeTokens takes from the values of Sec-WebSocket-Protocol (RFC 6455 §11.3.4)
// the subprotocols that carry a token, and returns the tokens and the values that
// the backend may see, nil for none. What names our subprotocol in another way is
// returned as a token that no key has. What holds a token of Keygate without
// naming our subprotocol is gone, and is no credential.
func TakeTokens(values []string) (tokens, rest []string) {
	for _, value := range values {
		var others []string
		taken := false
		for element := range strings.SplitSeq(value, ",") {
			element = strings.Trim(element, " \t")
			switch at := strings.Index(lowered(element), TokenProtocol); {
			case at == 0:
				tokens, taken = append(tokens, element[len(TokenProtocol):]), true
			case at > 0:
				tokens, taken = append(tokens, element), true
			case apikey.ContainsToken(element):
				taken = true
			case element != "":
				others = append(others, element)
			}
		}
		switch {
		case !taken:
			rest = append(rest, value)
		case len(others) > 0:
			rest = append(rest, strings.Join(others, ", "))
		}
	}
	return tokens, rest
}

// lowered returns s with ASCII letters in lower case and all other bytes in place.
func lowered(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// takesProtocols reports whether a token in a subprotocol is a credential: the
// request opens a WebSocket on a route that takes some.
func (r *Route) takesProtocols(q *Request) bool {
	return len(q.ProtocolTokens) > 0 && q.WebSocket && q.Method == http.MethodGet && r != nil && r.WebSocket
}
