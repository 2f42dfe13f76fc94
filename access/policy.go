// Package access decides whether a request may pass. It looks at the path and
// method, the key that the request carries, where the request comes from, and the
// route that it is for. The package does no I/O of its own and has no clock: keys
// come from [Keys], which answers from memory, and the time is part of the
// request.
//
// A [Policy] is the configuration, a [Request] has the parts of a request that
// matter, and [Policy.Decide] returns a [Decision] with a [Reason]. Decisions fail
// closed: the zero Decision and the zero Reason let nobody in.
//
// A [Table] finds the route of a request. Routes map a method and a path pattern
// to the [Scopes] that a key needs. The most specific pattern wins, never the
// order. Backends disagree on how to read some paths, and a request that passed
// as one route must not be served as another. So there are two defences:
//
//   - [CheckPath] refuses paths that backends are known to decode, clean or cut
//     off in different ways.
//   - [Table.Match] returns a route only if no backend could take the request for a
//     more specific one, for example by ignoring case.
//
// [Policy.Explain] runs the same checks and describes each of them for people.
//
// Rate limits are not part of this package. The caller charges them after Decide,
// and uses the further reasons for their outcome.
package access

import (
	"net/netip"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Keys answers what a decision needs of a key, from memory. For an unknown ID or
// hash it returns (Grant{}, false, nil). After an error, no request that needs a
// key passes.
type Keys interface {
	Lookup(apikey.ID) (apikey.Grant, bool, error)

	// LookupOpaque finds a key whose token comes from another system, by the hash
	// of the token.
	LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error)

	// HasOpaque reports whether there is any key that LookupOpaque could find.
	HasOpaque() bool
}

// Policy is the configuration that decides requests.
type Policy struct {
	Brand string // of the tokens
	Table *Table
	Keys  Keys

	// AllowMissingOrigin accepts requests without Origin for keys with allowed
	// origins. Clients other than browsers send no Origin.
	AllowMissingOrigin bool

	// CORS says that the caller answers preflights. They are then not decided
	// like other requests.
	CORS bool

	// Report says that denials are only reported, see [Policy.Settle].
	Report bool

	// Foreign passes requests that have no credential of Keygate's, to routes
	// that are mapped and not denied.
	Foreign bool
}

// Request has the parts of a request that a decision needs. Each list has every
// value of a header as received, and is nil if the header was not sent.
type Request struct {
	Method string
	Path   string // percent-encoded, exactly the bytes that will be forwarded
	Query  string // as it will be forwarded, without the question mark

	Origins       []string // Origin
	RequestMethod []string // Access-Control-Request-Method
	Authorization []string // Authorization
	KeyHeader     []string // the configured header for tokens; nil if none is configured

	// ProtocolTokens are the tokens in subprotocols of a WebSocket, see
	// [TakeTokens]. They are nil unless the configuration takes tokens there.
	ProtocolTokens []string

	Client    netip.Addr // IPv4-mapped IPv6 unmapped, without zone; zero if unknown
	WebSocket bool       // asks to become a WebSocket
	Now       time.Time

	// OverFailures says that the client exceeded its budget of failed
	// authentications. Tokens of other systems are then not looked up, because
	// they may be weak enough to guess. It matters only if Keys has such tokens.
	OverFailures bool
}

// Decision is the outcome for one request. The zero Decision lets nobody in.
type Decision struct {
	Reason Reason

	// Preflight says that the request is a CORS preflight. Reason is then
	// Allowed, but the caller must answer the request and never pass it on. Use
	// [ValidOrigin] to check its origin.
	Preflight bool

	// Detail tells the client what to change. It is set for AmbiguousPath,
	// MalformedRequest and RouteNotMapped. It quotes nothing of the request.
	Detail string

	// Err is the error of Keys if Reason is StoreUnavailable.
	Err error

	// Route is the route of the request, if it has one and the decision got that
	// far. It is never nil if the request is to be passed on.
	Route *Route

	// ID and Grant belong to the key whose secret the request carries. They are
	// also set if that key is revoked, disabled or expired. Use them only if
	// Authenticated is true.
	ID            apikey.ID
	Grant         apikey.Grant
	Authenticated bool

	// Needed says which scopes of the key the request needed, if it may pass: bit
	// i is for Grant.Scopes.List[i]. Where the route has alternatives, they are
	// those of the first that the key meets.
	Needed uint64

	// Ended says that this key, or in mode report one whose token the request has, is
	// revoked, disabled or expired: how it is refused. Zero: none has ended.
	Ended Reason

	// WouldDeny is the reason of a denial that is only reported, and 0 for none.
	// [Policy.Settle] sets it.
	WouldDeny Reason

	// Foreign says that the request has no credential of Keygate's and passes
	// because of [Policy.Foreign], unless Reason says otherwise.
	Foreign bool

	// Untouched has the headers whose credential is the backend's. It counts if
	// the request passes.
	Untouched Untouched
}

// Sighting is what an allowed request with a key shows of the use of that key.
func (d *Decision) Sighting(client netip.Addr) apikey.Sighting {
	return apikey.Sighting{Scopes: d.Grant.Scopes, Needed: d.Needed, Network: apikey.NetworkOf(client)}
}
