// Package access decides whether a request may pass: by its path and method,
// the key it carries, where it comes from and which route it is for. It is
// pure: it does no I/O of its own, and is told the time.
package access

import (
	"net/netip"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Keys answers what a decision needs of a key, from memory. An unknown ID or
// hash is (Grant{}, false, nil). With an error no request passes that needs a
// key.
type Keys interface {
	Lookup(apikey.ID) (apikey.Grant, bool, error)

	// LookupOpaque finds a key whose token has another system's form, by the
	// hash of the token.
	LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error)

	// HasOpaque reports whether there is any key for LookupOpaque to find.
	HasOpaque() bool
}

// Policy is what requests are decided by.
type Policy struct {
	Brand string // of the tokens
	Table *Table
	Keys  Keys

	// AllowMissingOrigin lets keys with allowed origins be used without an
	// Origin, as from other clients than browsers.
	AllowMissingOrigin bool

	// CORS says that preflights are answered and not decided as requests.
	CORS bool
}

// Request is what a decision needs of a request. The lists hold every value
// of a header, as received; nil where it was not sent.
type Request struct {
	Method string
	Path   string // percent-encoded, the very bytes that will be forwarded
	Query  string // as it will be forwarded, without its question mark

	Origins       []string // Origin
	RequestMethod []string // Access-Control-Request-Method
	Authorization []string // Authorization
	KeyHeader     []string // the configured header for tokens; nil where none is

	Client    netip.Addr // IPv4-mapped IPv6 unmapped, without zone; the zero Addr: unknown
	WebSocket bool       // asks to become a WebSocket
	Now       time.Time

	// OverFailures says that the client has failed to authenticate more often
	// than it may, so that tokens of another form than ours are not looked up:
	// they may be weak enough to guess. It matters only where Keys has such.
	OverFailures bool
}

// Decision is the outcome for one request. The zero Decision lets nobody in.
type Decision struct {
	Reason Reason

	// Preflight says that the request is a CORS preflight: Reason is Allowed,
	// but it is to be answered here and never passed on. Whether its origin is
	// one is for [ValidOrigin] to say.
	Preflight bool

	// Detail tells the client what to change. It is set with AmbiguousPath,
	// MalformedRequest and RouteNotMapped, and quotes nothing of the request.
	Detail string

	// Err is what Keys returned, with StoreUnavailable.
	Err error

	// Route is the route of the request, if it has one and the decision came
	// that far. It is never nil where a request is to be passed on.
	Route *Route

	// ID and Grant are of the key whose secret the request carries. They are
	// set as well when that key is revoked, disabled or expired; only an
	// Authenticated one may be used.
	ID            apikey.ID
	Grant         apikey.Grant
	Authenticated bool
}
