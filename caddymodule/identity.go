package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/socialpatra/keygate/access"
)

// identity is how the backend learns who calls: three headers set by Keygate,
// and nothing of the client's that could be mistaken for them.
type identity struct {
	prefix                  string // folded, such as "socialpatra-"
	workspace, keyID, scope string // canonical header names
	keyHeader               string // folded name of the configured key header, or ""
}

func newIdentity(prefix, keyHeader string) identity {
	return identity{
		prefix:    fold(prefix),
		workspace: prefix + "Workspace",
		keyID:     prefix + "Key-Id",
		scope:     prefix + "Scopes",
		keyHeader: fold(keyHeader),
	}
}

func fold(name string) string {
	return string(headerFold(make([]byte, 0, len(name)), name))
}

// overrideHeaders make some backends or frameworks serve another path or
// method than the one that was authorised. Folded names.
var overrideHeaders = map[string]bool{
	"x-http-method-override": true,
	"x-http-method":          true,
	"x-method-override":      true,
	"x-original-url":         true,
	"x-original-method":      true,
	"x-rewrite-url":          true,
	"x-forwarded-uri":        true,
	"x-forwarded-method":     true,
	"x-forwarded-prefix":     true,
}

// addressHeaders claim a client address; only a trusted proxy may. Folded names.
var addressHeaders = map[string]bool{
	"forwarded":        true,
	"x-real-ip":        true,
	"true-client-ip":   true,
	"cf-connecting-ip": true,
}

// strip removes from a request what its backend must not see: credentials,
// claims of identity, overrides of what was authorised, trailers (which no
// check has seen), and hop-by-hop headers. Caddy removes what Connection names
// after the handlers ran, so a client's Connection could name ours.
func (id *identity) strip(r *http.Request, webSocket bool) {
	trusted := fromTrustedProxy(r)
	var buf [64]byte
	for name := range r.Header {
		folded := headerFold(buf[:0], name)
		switch {
		case hasFoldedPrefix(name, id.prefix),
			overrideHeaders[string(folded)],
			!trusted && addressHeaders[string(folded)],
			id.keyHeader != "" && string(folded) == id.keyHeader:
			delete(r.Header, name)
		}
	}
	for _, name := range [...]string{"Authorization", "Connection", "Upgrade", "Http2-Settings", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Trailer"} {
		delete(r.Header, name)
	}
	r.Trailer = nil
	if webSocket {
		r.Header["Connection"] = []string{"Upgrade"}
		r.Header["Upgrade"] = []string{"websocket"}
	}
}

// set names the key to the backend.
func (id *identity) set(h http.Header, d *access.Decision) {
	values := [...]string{d.Grant.Workspace, d.ID.String(), d.Grant.Scopes.Joined}
	h[id.workspace] = values[0:1:1]
	h[id.keyID] = values[1:2:2]
	h[id.scope] = values[2:3:3]
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
