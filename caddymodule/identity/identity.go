// Package identity tells the backend who calls: it takes off a request what could be
// mistaken for that, and sets the headers that say it. It knows no Caddy.
package identity

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/socialpatra/keygate/internal/headers"
)

// Headers are those of one config: the three that name a key, and those that the
// backend must not see.
type Headers struct {
	prefix                  string   // folded, such as "socialpatra-"
	workspace, keyID, scope string   // canonical header names
	keyHeader               string   // folded name of the configured key header; "": none
	unwanted                unwanted // see Unwanted
	suspects                headers.Suspects
}

// New returns the headers that begin with prefix, which [CheckPrefix] accepts. Tokens
// may also come in keyHeader, unless that is "".
func New(prefix, keyHeader string) Headers {
	id := Headers{
		prefix:    fold(prefix),
		workspace: prefix + "Workspace",
		keyID:     prefix + "Key-Id",
		scope:     prefix + "Scopes",
		keyHeader: fold(keyHeader),
	}
	for name, why := range headers.Removed {
		if why != headers.Alias {
			id.suspects.Add(name)
		}
	}
	if keyHeader != "" {
		id.suspects.Add(id.keyHeader)
	}
	id.suspects.AddAll(id.prefix)
	id.unwanted = newUnwanted(id.keyHeader, id.workspace, id.keyID, id.scope)
	return id
}

func fold(name string) string {
	return string(headers.Fold(make([]byte, 0, len(name)), name))
}

// Strip removes what the backend must not see of a request: credentials, claims
// of identity, overrides of what was authorised, trailers, which no check has
// seen, and hop-by-hop headers. It also removes names with a byte that no name
// should have and that servers read as -. Caddy removes the headers that
// Connection names after the handlers have run, so a client's Connection could
// otherwise name Keygate's headers.
func (id *Headers) Strip(r *http.Request, trusted, webSocket bool) {
	id.StripInto(nil, r, trusted, webSocket)
}

// StripInto is Strip, but keeps in taken what may be given back: everything
// except claims of identity.
func (id *Headers) StripInto(taken *headers.Taken, r *http.Request, trusted, webSocket bool) {
	for name := range r.Header {
		spelled := headers.SpellingOf(name)
		if spelled == headers.Plain && !id.suspects.Has(name) {
			continue
		}
		switch id.fateOf(name, spelled, trusted) {
		case forged:
			delete(r.Header, name)
		case hidden:
			taken.Take(r.Header, name)
		default:
		}
	}
	if taken != nil {
		taken.Trailer = r.Trailer
	}
	r.Trailer = nil
	if webSocket {
		r.Header["Connection"] = []string{"Upgrade"}
		r.Header["Upgrade"] = []string{"websocket"}
	}
}

// fate is what happens to a header of the client.
type fate uint8

const (
	stays  fate = iota
	hidden      // the backend does not see it
	forged      // it claims an identity, or may do so
)

func (id *Headers) fateOf(name string, spelled headers.Spelling, trusted bool) fate {
	var buf [headers.MaxNameLen]byte
	folded := headers.Fold(buf[:0], name)
	tooLong := len(folded) == 0 // too long to be any name but one with the prefix
	why := headers.Removed[string(folded)]
	switch {
	case spelled == headers.Odd, tooLong && headers.HasFoldedPrefix(name, id.prefix), !tooLong && strings.HasPrefix(string(folded), id.prefix):
		return forged
	case tooLong:
		return stays
	case why == headers.Override, why == headers.Hop, why == headers.Address && !trusted, why == headers.Alias && spelled != headers.Plain, string(folded) == id.keyHeader:
		return hidden
	default:
		return stays
	}
}

// Claims reports whether a name begins with the prefix, however it is spelled.
func (id *Headers) Claims(name string) bool { return headers.HasFoldedPrefix(name, id.prefix) }

// CarriesKeys reports whether clients send credentials in a header, however its
// name is spelled.
func (id *Headers) CarriesKeys(name string) bool {
	var buf [headers.MaxNameLen]byte
	switch folded := string(headers.Fold(buf[:0], name)); folded {
	case "authorization", "proxy-authorization":
		return true
	default:
		return folded != "" && folded == id.keyHeader
	}
}

// Put adds the headers that name the key. Their values, which it keeps, are empty
// if there is no key.
func (id *Headers) Put(h http.Header, values *[3]string) {
	h[id.workspace], h[id.keyID], h[id.scope] = values[0:1:1], values[1:2:2], values[2:3:3]
}

// Unset removes the headers that name the key.
func (id *Headers) Unset(h http.Header) {
	delete(h, id.workspace)
	delete(h, id.keyID)
	delete(h, id.scope)
}

// CheckPrefix says what is wrong with a prefix of a config.
func CheckPrefix(s string) error {
	ok := len(s) >= 2 && len(s) <= 32 && s[len(s)-1] == '-'
	for i := range len(s) {
		lower := s[i] | 0x20
		letter := 'a' <= lower && lower <= 'z'
		ok = ok && (letter || i > 0 && (s[i] == '-' || '0' <= s[i] && s[i] <= '9'))
	}
	if !ok {
		return fmt.Errorf("identity_prefix %q is not accepted; accepted: 2–32 letters, digits and dashes, beginning with a letter and ending in a dash, such as SocialPatra-", s)
	}
	return nil
}
