package caddymodule

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/internal/headers"
)

// identity tells the backend who calls. Keygate sets three headers, and nothing
// of the client that could be mistaken for them gets through.
type identity struct {
	prefix                  string // folded, such as "socialpatra-"
	workspace, keyID, scope string // canonical header names
	keyHeader               string // folded name of the configured key header; "": none
	suspects                suspects
}

func newIdentity(prefix, keyHeader string) identity {
	id := identity{
		prefix:    fold(prefix),
		workspace: prefix + "Workspace",
		keyID:     prefix + "Key-Id",
		scope:     prefix + "Scopes",
		keyHeader: fold(keyHeader),
	}
	for name, why := range removed {
		if why != alias {
			id.suspects.add(name)
		}
	}
	if keyHeader != "" {
		id.suspects.add(id.keyHeader)
	}
	id.suspects.addAll(id.prefix)
	return id
}

// suspects is a set that contains all plain names that strip has to look at, and
// sometimes others. The first letter of a name selects a word, and the length of
// the name selects a bit in it. That is enough to pass most headers of most
// requests.
type suspects [32]uint64

func (s *suspects) add(folded string) { s[folded[0]%32] |= 1 << min(len(folded), 63) }

// addAll adds all names that begin with prefix, which must be shorter than 63.
func (s *suspects) addAll(prefix string) { s[prefix[0]%32] |= ^uint64(0) << len(prefix) }

func (s *suspects) has(name string) bool {
	return name != "" && s[headers.FoldByte(name[0])%32]>>min(len(name), 63)&1 != 0
}

func fold(name string) string {
	return string(headers.Fold(make([]byte, 0, len(name)), name))
}

// removal is the reason why a header of the client does not reach the backend.
type removal uint8

const (
	override removal = iota + 1 // makes some backends serve another path or method than the one authorised
	address                     // claims a client address, which only a trusted proxy may do
	hop                         // a credential, or only about this connection
	alias                       // belongs to Caddy, and is removed in any spelling but Caddy's own
)

// removed lists the headers that are removed, by folded name.
var removed = map[string]removal{
	"x-http-method-override": override,
	"x-http-method":          override,
	"x-method-override":      override,
	"x-original-url":         override,
	"x-original-method":      override,
	"x-rewrite-url":          override,
	"x-forwarded-uri":        override,
	"x-forwarded-method":     override,
	"x-forwarded-prefix":     override,
	"x-original-uri":         override,
	"x-forwarded-path":       override,

	"forwarded":                address,
	"forwarded-for":            address,
	"x-forwarded":              address,
	"x-original-forwarded-for": address,
	"x-real-ip":                address,
	"x-client-ip":              address,
	"client-ip":                address,
	"x-cluster-client-ip":      address,
	"true-client-ip":           address,
	"fastly-client-ip":         address,
	"cf-connecting-ip":         address,
	"cf-connecting-ipv6":       address,
	// Further headers that frameworks and their libraries ask for the client
	// address, grouped by the CDN or server that sets them.
	"cf-pseudo-ipv4":            address,
	"cloudfront-viewer-address": address,
	"fly-client-ip":             address,
	"proxy-client-ip":           address,
	"wl-proxy-client-ip":        address,
	"x-appengine-remote-addr":   address,
	"x-appengine-user-ip":       address,
	"x-envoy-external-address":  address,
	"x-vercel-forwarded-for":    address,

	"authorization":       hop,
	"connection":          hop,
	"upgrade":             hop,
	"http2-settings":      hop,
	"keep-alive":          hop,
	"proxy-connection":    hop,
	"proxy-authorization": hop,
	"trailer":             hop,

	"x-forwarded-for":   alias,
	"x-forwarded-host":  alias,
	"x-forwarded-proto": alias,
	"content-length":    alias,
	"transfer-encoding": alias,
}

// strip removes what the backend must not see of a request: credentials, claims
// of identity, overrides of what was authorised, trailers, which no check has
// seen, and hop-by-hop headers. It also removes names with a byte that no name
// should have and that servers read as -. Caddy removes the headers that
// Connection names after the handlers have run, so a client's Connection could
// otherwise name Keygate's headers.
func (id *identity) strip(r *http.Request, trusted, webSocket bool) {
	id.stripInto(nil, r, trusted, webSocket)
}

// stripInto is strip, but keeps in taken what may be given back: everything
// except claims of identity.
func (id *identity) stripInto(taken *headers.Taken, r *http.Request, trusted, webSocket bool) {
	for name := range r.Header {
		spelled := headers.SpellingOf(name)
		if spelled == headers.Plain && !id.suspects.has(name) {
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

func (id *identity) fateOf(name string, spelled headers.Spelling, trusted bool) fate {
	var buf [headers.MaxNameLen]byte
	folded := headers.Fold(buf[:0], name)
	tooLong := len(folded) == 0 // too long to be any name but one with the prefix
	why := removed[string(folded)]
	switch {
	case spelled == headers.Odd, tooLong && headers.HasFoldedPrefix(name, id.prefix), !tooLong && strings.HasPrefix(string(folded), id.prefix):
		return forged
	case tooLong:
		return stays
	case why == override, why == hop, why == address && !trusted, why == alias && spelled != headers.Plain, string(folded) == id.keyHeader:
		return hidden
	default:
		return stays
	}
}

// set adds the headers that name the key. Their values are stored in values.
func (id *identity) set(h http.Header, d *access.Decision, values *[3]string) {
	*values = [...]string{d.Grant.Workspace, d.ID.String(), d.Grant.Scopes.Joined}
	h[id.workspace] = values[0:1:1]
	h[id.keyID] = values[1:2:2]
	h[id.scope] = values[2:3:3]
}

// unset removes the headers that name the key.
func (id *identity) unset(h http.Header) {
	delete(h, id.workspace)
	delete(h, id.keyID)
	delete(h, id.scope)
}

func checkIdentityPrefix(s string) error {
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
