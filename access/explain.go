package access

import (
	"github.com/socialpatra/keygate/apikey"
)

// Outcome is the result of one check in an explanation.
type Outcome string

// A check passes or fails. It is skipped if it does not apply, or if something
// that it needs is not known.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Skipped Outcome = "skipped"
)

// Check is one check of a decision, described for people. Its texts contain no
// token and no hash. Values from the request are quoted and shortened.
type Check struct {
	Name     string // shape, preflight, public_route, credential, key, status, ip, origin, route or scopes
	Outcome  Outcome
	Reason   Reason // of the denial, if the check fails
	Compared string // what was compared with what
	Fix      string // what would make the check pass, if it fails
}

// Identified is a key that is known without its token.
type Identified struct {
	ID    apikey.ID
	Grant apikey.Grant
}

// Explanation is a decision with all its checks.
type Explanation struct {
	Checks []Check     // all ten, in the order of [Policy.Decide]
	Key    *Identified // nil if no key was named or identified, or none is needed
	Route  *Route      // nil if no route matches, or the path cannot be looked up
}

// Reason returns the same as [Policy.Decide] for the request: the reason of the
// first check that fails, or [Allowed].
func (e *Explanation) Reason() Reason {
	for i := range e.Checks {
		if e.Checks[i].Outcome == Fail {
			return e.Checks[i].Reason
		}
	}
	return Allowed
}

// Explain runs the checks of [Policy.Decide], including those after the first
// that fails. If a key is given, the request needs no credential, and the
// credential and key checks pass without being tried. Without a Table, Explain
// explains what depends on the key alone.
func (p *Policy) Explain(q *Request, key *Identified) Explanation {
	e := explainer{policy: p, q: q, Explanation: Explanation{Key: key}}
	e.shape()
	e.preflight()
	e.publicRoute()
	e.credential()
	e.identity()
	e.status()
	e.client()
	e.origin()
	e.route()
	e.scopes()
	return e.Explanation
}

// explainer collects checks. Each of its methods adds the check that it is named
// after.
type explainer struct {
	Explanation
	policy *Policy
	q      *Request
	token  string // "" if there is none, or none is needed

	unmatched string // why the route cannot be looked up; "" if it can
	noRoute   string // why the request needs no route
	noKey     string // why there is no key to check
}

func (e *explainer) pass(name, compared string) {
	e.Checks = append(e.Checks, Check{Name: name, Outcome: Pass, Compared: compared})
}

func (e *explainer) fail(name string, r Reason, compared, fix string) {
	e.Checks = append(e.Checks, Check{Name: name, Outcome: Fail, Reason: r, Compared: compared, Fix: fix})
}

func (e *explainer) skip(name, why string) {
	e.Checks = append(e.Checks, Check{Name: name, Outcome: Skipped, Compared: why})
}

const noConfig = "no config: nothing is known of its routes"

func (e *explainer) shape() {
	reason, detail := checkShape(e.q)
	switch reason {
	case Allowed:
		e.pass("shape", "method "+e.show(e.q.Method)+", path "+e.show(e.q.Path)+e.query())
	case MethodNotAllowed:
		e.unmatched = "the method is not one to look up"
		e.fail("shape", reason, "method "+e.show(e.q.Method)+" with "+RequestMethods, "Send one of these methods, in capitals.")
	default:
		e.unmatched = "the path is not one to look up"
		e.fail("shape", reason, "path "+e.show(e.q.Path)+e.query(), detail)
	}
	if e.policy.Table == nil {
		e.unmatched = noConfig
	}
}

func (e *explainer) preflight() {
	switch {
	case e.policy.isPreflight(e.q):
		e.pass("preflight", "a preflight, which is answered with 204 and never passed on")
		e.noKey = "a preflight needs no key"
		e.noRoute = "a preflight needs no route"
		e.Key = nil
	case e.policy.Table == nil:
		e.skip("preflight", noConfig)
	case !e.policy.CORS:
		e.pass("preflight", "cors is off, so preflights are requests like others")
	default:
		e.pass("preflight", "method "+e.show(e.q.Method)+" with OPTIONS, Origin and Access-Control-Request-Method: no preflight")
	}
}

func (e *explainer) publicRoute() {
	switch {
	case e.noRoute != "":
		e.skip("public_route", e.noRoute)
		return
	case e.unmatched != "":
		e.skip("public_route", e.unmatched)
		return
	}
	e.Route = e.policy.Table.Match(e.q.Method, e.q.Path)
	switch {
	case e.Route == nil:
		e.pass("public_route", "no route, so a key is needed")
	case e.Route.denies():
		e.pass("public_route", showRoute(e.Route)+" is denied to everyone")
	case e.Route.Access == Public:
		e.pass("public_route", showRoute(e.Route)+" is public, so no key is needed")
		e.noKey = "the route is public"
		e.Key = nil
	default:
		e.pass("public_route", showRoute(e.Route)+" is not public, so a key is needed")
	}
}

func (e *explainer) credential() {
	switch {
	case e.noKey != "":
		e.skip("credential", e.noKey)
		return
	case e.Key != nil:
		e.pass("credential", "not tried: the key is named by its ID")
		return
	}
	c := e.policy.sift(e.q, e.Route)
	reason, detail, compared := c.reason, c.detail, showCredentials(e.q)
	switch {
	case c.foreign:
		e.noKey = "foreign is pass, and no credential is Keygate's"
		e.pass("credential", compared+": none of Keygate's, and foreign is pass")
		return
	case c.err != nil:
		compared, detail = "the key store cannot answer", "See why in the log of Caddy."
	case reason == Allowed:
		e.token = c.token
		e.pass("credential", compared)
		return
	}
	if reason == MissingKey && e.Route.denies() {
		e.noKey = "no key opens a denied route"
		e.skip("credential", e.noKey)
		return
	}
	if reason == MissingKey {
		detail = "Send the API key in the header Authorization: Bearer YOUR_KEY."
	}
	e.noKey = "no credential, so no key"
	e.fail("credential", reason, compared, detail)
}

func (e *explainer) identity() {
	switch {
	case e.noKey != "":
		e.skip("key", e.noKey)
		return
	case e.Key != nil:
		e.pass("key", "not tried: the key is named by its ID, "+e.Key.ID.String())
		return
	}
	id, grant, reason, _ := e.policy.identify(e.token, e.q.OverFailures)
	switch reason {
	case Allowed:
		e.Key = &Identified{ID: id, Grant: grant}
		e.pass("key", "the token with the hash of the key "+id.String())
		return
	case StoreUnavailable:
		e.fail("key", reason, "the key store cannot answer", "See why in the log of Caddy.")
	case TooManyFailures:
		e.fail("key", reason, "not tried: the client has failed too often to look up a token of another system", "Wait, or call from another address.")
	default:
		compared, fix := e.whyInvalid()
		e.fail("key", reason, compared, fix)
	}
	e.noKey = "no key is known"
}

func (e *explainer) status() {
	if e.noKey != "" {
		e.skip("status", e.noKey)
		return
	}
	grant := &e.Key.Grant
	compared := showStatus(grant, e.q.Now)
	switch reason := OfStatus(grant.Status(e.q.Now)); reason {
	case Allowed:
		e.pass("status", compared)
	case KeyDisabled:
		e.fail("status", reason, compared, "Enable the key.")
	case KeyExpired:
		e.fail("status", reason, compared, "Give the key a later expires_at, or none.")
	default:
		e.fail("status", reason, compared, "Create another key: a revoked one is never usable again.")
	}
}

func (e *explainer) client() {
	if e.noKey != "" {
		e.skip("ip", e.noKey)
		return
	}
	compared, fix := e.compareClient()
	if reason := checkClient(&e.Key.Grant, e.q.Client); reason != Allowed {
		e.fail("ip", reason, compared, fix)
		return
	}
	e.pass("ip", compared)
}

func (e *explainer) origin() {
	if e.noKey != "" {
		e.skip("origin", e.noKey)
		return
	}
	compared, fix := e.compareOrigin()
	reason := e.policy.checkOrigin(&e.Key.Grant, e.q.Origins)
	switch {
	case reason == Allowed:
		e.pass("origin", compared)
	case e.policy.Table == nil && len(e.q.Origins) == 0:
		e.skip("origin", compared+": no config, so nothing is known of its missing_origin")
	default:
		e.fail("origin", reason, compared, fix)
	}
}

func (e *explainer) route() {
	switch {
	case e.noRoute != "":
		e.skip("route", e.noRoute)
		return
	case e.unmatched != "":
		e.skip("route", e.unmatched)
		return
	}
	compared := e.show(e.q.Method) + " " + e.show(e.q.Path)
	if reason, detail := checkRoute(e.Route, e.q); reason != Allowed {
		fix := detail
		switch {
		case e.Route == nil:
			fix = e.nearRoutes(detail)
			compared += " with no route"
		case e.Route.denies():
			fix = e.nearRoutes(detail)
			compared += " with " + showRoute(e.Route) + ", which is denied to everyone"
		default:
			compared += " as a WebSocket with " + showRoute(e.Route)
		}
		e.fail("route", reason, compared, fix)
		return
	}
	e.pass("route", compared+" with "+showRoute(e.Route))
}

func (e *explainer) scopes() {
	switch {
	case e.noKey != "":
		e.skip("scopes", e.noKey)
	case e.unmatched != "":
		e.skip("scopes", e.unmatched)
	case e.Route.denies():
		e.skip("scopes", "the route is denied, whatever the scopes")
	case e.Route == nil:
		e.skip("scopes", "no route, so no scope is known to be needed")
	case len(e.Route.Scopes) == 0:
		e.pass("scopes", "the route needs none")
	default:
		held := &e.Key.Grant
		compared := e.Route.Scopes.String() + " with " + showList(held.Scopes.List)
		if _, reason := checkScopes(held, e.Route); reason != Allowed {
			e.fail("scopes", reason, compared, "Give the key "+showMissing(e.Route.Scopes.Missing(held.Scopes))+" as well.")
			return
		}
		e.pass("scopes", compared)
	}
}
