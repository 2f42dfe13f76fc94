package access

import (
	"net/http"
	"net/netip"

	"github.com/socialpatra/keygate/apikey"
)

// Why no route matches, in words for the client.
const (
	routeNotMapped   = "No route is mapped for this method and path. Check both: case counts, and so does a slash at the end."
	routeDenied      = "This path is closed with this method, to every key. Send another request."
	routeNoWebSocket = "This route takes no WebSocket connections with this method. Send an ordinary request."
)

// Decide runs the checks in order and stops at the first that fails: shape,
// preflight, public route, credential, key, status, client address, origin, route
// and scopes. A denied route is reported even without a key, because no key would
// help. The limits and the budget of failed authentications are checked by the
// caller. Decide does not allocate, except to hash a token of another system that is
// longer than any of Keygate's, and to decode Basic credentials.
func (p *Policy) Decide(q *Request) (d Decision) {
	p.decide(q, &d)
	if p.Report && d.Reason != Allowed && !d.Authenticated && d.Ended == 0 {
		d.Ended = p.holdsEnded(q, d.Reason)
	}
	return d
}

// decide is Decide without mode report. d is zero.
func (p *Policy) decide(q *Request, d *Decision) {
	if d.Reason, d.Detail = checkShape(q); d.Reason != Allowed {
		return
	}
	if p.isPreflight(q) {
		d.Preflight = true
		return
	}
	d.Route = p.Table.Match(q.Method, q.Path)
	if d.Route != nil && d.Route.Access == Public {
		d.Reason, d.Detail = checkRoute(d.Route, q)
		return
	}
	c := p.sift(q, d.Route)
	d.Reason, d.Detail, d.Err, d.Untouched, d.Foreign = c.reason, c.detail, c.err, c.untouched, c.foreign
	if c.foreign || d.Reason == MissingKey && d.Route.denies() {
		d.Reason, d.Detail = checkRoute(d.Route, q)
		return
	}
	if d.Reason != Allowed {
		return
	}
	if d.ID, d.Grant, d.Reason, d.Err = p.identify(c.token, q.OverFailures); d.Reason != Allowed {
		return
	}
	if d.Reason = OfStatus(d.Grant.Status(q.Now)); d.Reason != Allowed {
		d.Ended = d.Reason
		return
	}
	d.Authenticated = true
	if p.Report && !HoldsToken(p.Brand, c.token) {
		// The backend, or what is between, goes on checking the keys of the other
		// system until this is enforced.
		if len(q.KeyHeader) > 0 && !d.Untouched.KeyHeader {
			d.Untouched.KeyHeader = true
		} else {
			d.Untouched.Authorization = true
		}
	}
	if d.Reason = checkClient(&d.Grant, q.Client); d.Reason != Allowed {
		return
	}
	if d.Reason = p.checkOrigin(&d.Grant, q.Origins); d.Reason != Allowed {
		return
	}
	if d.Reason, d.Detail = checkRoute(d.Route, q); d.Reason != Allowed {
		return
	}
	d.Needed, d.Reason = checkScopes(&d.Grant, d.Route)
}

func checkShape(q *Request) (reason Reason, detail string) {
	if _, ok := parseMethod(q.Method); !ok {
		return MethodNotAllowed, ""
	}
	if problem := CheckPath(q.Path); problem != "" {
		return AmbiguousPath, problem
	}
	if problem := checkQuery(q.Query); problem != "" {
		return AmbiguousPath, problem
	}
	return Allowed, ""
}

// isPreflight looks only at which headers are present, so that the answer reveals
// nothing about origins, keys or routes.
func (p *Policy) isPreflight(q *Request) bool {
	return p.CORS && q.Method == http.MethodOptions && len(q.Origins) > 0 && len(q.RequestMethod) > 0
}

// identify returns the key whose secret the token contains. A malformed token is
// refused without hashing or look-up, unless keys with tokens of other systems
// exist. Such tokens are not looked up if the client is over its budget of
// failures. An unknown ID costs the same as a wrong secret, because its token is
// compared with the zero Hash.
func (p *Policy) identify(token string, overFailures bool) (id apikey.ID, grant apikey.Grant, reason Reason, err error) {
	var found bool
	var hash apikey.Hash
	id, ours := apikey.Parse(p.Brand, token)
	switch {
	case ours:
		grant, found, err = p.Keys.Lookup(id)
		hash = apikey.HashToken(token)
	case p.Keys.HasOpaque() && overFailures:
		return apikey.ID{}, apikey.Grant{}, TooManyFailures, nil
	case p.Keys.HasOpaque():
		hash = apikey.HashToken(token)
		id, grant, found, err = p.Keys.LookupOpaque(hash)
	default:
		return apikey.ID{}, apikey.Grant{}, InvalidKey, nil
	}
	if err != nil {
		return apikey.ID{}, apikey.Grant{}, StoreUnavailable, err
	}
	if right := hash.Equal(grant.Hash); !right || !found {
		return apikey.ID{}, apikey.Grant{}, InvalidKey, nil
	}
	return id, grant, Allowed, nil
}

// OfStatus returns how a request of a key with this status is refused, or
// [Allowed].
func OfStatus(s apikey.Status) Reason {
	switch s {
	case apikey.Active:
		return Allowed
	case apikey.Disabled:
		return KeyDisabled
	case apikey.Expired:
		return KeyExpired
	default:
		return KeyRevoked
	}
}

// checkClient refuses an unknown address if the key is bound to addresses.
func checkClient(g *apikey.Grant, client netip.Addr) Reason {
	if g.Places == nil || len(g.Places.IPs) == 0 {
		return Allowed
	}
	for _, prefix := range g.Places.IPs {
		if prefix.Contains(client) {
			return Allowed
		}
	}
	return IPNotAllowed
}

// checkOrigin stops pages of other origins from using a key that is bound to
// origins. It does not authenticate: only browsers are honest about their Origin.
func (p *Policy) checkOrigin(g *apikey.Grant, origins []string) Reason {
	if g.Places == nil || len(g.Places.Origins) == 0 {
		return Allowed
	}
	switch len(origins) {
	case 0:
		if p.AllowMissingOrigin {
			return Allowed
		}
	case 1:
		for _, allowed := range g.Places.Origins {
			if allowed.Matches(origins[0]) {
				return Allowed
			}
		}
	}
	return OriginNotAllowed
}

// checkRoute allows a WebSocket only on a GET (RFC 6455 §4.1), even if the route
// has other methods.
func checkRoute(r *Route, q *Request) (reason Reason, detail string) {
	switch {
	case r == nil:
		return RouteNotMapped, routeNotMapped
	case r.denies():
		return RouteNotMapped, routeDenied
	case q.WebSocket && (!r.WebSocket || q.Method != http.MethodGet):
		return RouteNotMapped, routeNoWebSocket
	default:
		return Allowed, ""
	}
}

func checkScopes(g *apikey.Grant, r *Route) (needed uint64, reason Reason) {
	needed, met := r.Scopes.met(g.Scopes)
	if !met {
		return 0, InsufficientScope
	}
	return needed, Allowed
}
