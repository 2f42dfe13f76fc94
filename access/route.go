package access

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Route maps requests to what they need to pass.
type Route struct {
	// The methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY, or * alone
	// for any. HEAD follows GET unless the same pattern maps it itself.
	Methods []string

	// The path pattern. A segment is a literal, {name} for exactly one segment,
	// or names with literal text before, between or after them, such as
	// {id}:cancel, {id}.csv and {base}...{head}. Literals are case-sensitive and
	// not percent-encoded. A last segment * matches one or more segments. A
	// trailing slash makes a different pattern. No written segment begins with a
	// colon.
	Pattern string

	Access Access
	Scopes Scopes // at least one set if Scoped, otherwise none

	// What one request charges to both limits of its key, 1–1,000. 0 means 1.
	Cost int

	// Whether requests may become a WebSocket. Only with GET or *.
	WebSocket bool

	// Where the route was written, such as "Caddyfile:12", for messages. If it is
	// "", messages say "route 3", by its place in the list.
	Source string

	// Imported says that the route comes from a document of the backend. Other
	// routes take precedence over it, see [Table.Match].
	Imported bool
}

// Access says who may call a route.
type Access string

// The kinds of access. The zero Access is the strictest that can let a key in.
const (
	Scoped        Access = ""              // keys that hold the scopes
	Authenticated Access = "authenticated" // any valid key
	Public        Access = "public"        // anybody, without a key
	Denied        Access = "deny"          // nobody, with or without a key
)

// MaxCost is the highest cost of a route.
const MaxCost = 1000

// String returns the methods and the pattern: "PUT,PATCH /v1/posts/{id}".
func (r *Route) String() string { return strings.Join(r.Methods, ",") + " " + r.Pattern }

// denies reports whether a route, if there is one, lets nobody pass.
func (r *Route) denies() bool { return r != nil && r.Access == Denied }

// ErrNoRoutes is returned for a table without any route that lets somebody in.
// Such a table would deny every request.
var ErrNoRoutes = errors.New("the route table is empty; accepted: at least one route that is not denied")

// RouteError is a refusal of one route. Its text is one line:
//
//	Caddyfile:12: pattern "v1/posts" does not start with a slash; accepted: …
type RouteError struct {
	Where   string // the Source of the route, or its place: "route 3"
	Problem string
}

func (e *RouteError) Error() string { return e.Where + ": " + e.Problem }

// where names the route, which is at index of its list.
func (r *Route) where(index int) string {
	if r.Source != "" {
		return r.Source
	}
	return "route " + strconv.Itoa(index+1)
}

// Check returns what [NewTable] would refuse about this route alone, or nil.
func (r *Route) Check() *RouteError { return new(Checker).Check(r) }

// check returns the route's methods and its pattern, or what is wrong with the
// route.
func (r *Route) check(c *Checker) (methods []method, p pattern, problem string) {
	if methods, problem = parseMethods(r.Methods); problem != "" {
		return nil, p, problem
	}
	if problem = r.checkAccess(c); problem != "" {
		return nil, p, problem
	}
	if r.Cost < 0 || r.Cost > MaxCost {
		return nil, p, fmt.Sprintf("cost %d is out of range; accepted: 1 to %d", r.Cost, MaxCost)
	}
	if r.WebSocket && !slices.Contains(methods, methodGet) && !slices.Contains(methods, methodAny) {
		return nil, p, "websocket needs the method GET; accepted: GET, or * for any"
	}
	if p, problem = r.parsePattern(); problem != "" {
		return nil, p, "pattern " + quote(r.Pattern) + " " + problem
	}
	return methods, p, ""
}

// parsePattern accepts in a denied route of a document every text that requests
// may have, so that nothing that the document denies stays open.
func (r *Route) parsePattern() (p pattern, problem string) {
	if r.Imported && r.Access == Denied {
		return parsePattern(r.Pattern, asRequested)
	}
	if len(r.Pattern) > maxPatternLen {
		return p, fmt.Sprintf("has %d bytes; accepted: at most %d", len(r.Pattern), maxPatternLen)
	}
	if segment, name := colonName(r.Pattern); segment != "" && !r.Imported {
		return p, "has the segment " + quote(segment) + ", which would be that very text; accepted for any one segment: " + name
	}
	return parsePattern(r.Pattern, asWritten)
}

func parseMethods(names []string) ([]method, string) {
	if len(names) == 0 {
		return nil, "has no method; accepted: " + acceptedMethods
	}
	methods := make([]method, len(names))
	for i, name := range names {
		m, ok := parseMethod(name)
		switch {
		case name == "*" && len(names) == 1:
			m = methodAny
		case name == "*":
			return nil, "has the method * beside others; accepted: * alone, for any"
		case !ok:
			return nil, "method " + quote(name) + " is not known; accepted: " + acceptedMethods
		case slices.Contains(methods[:i], m):
			return nil, "has the method " + name + " twice"
		}
		methods[i] = m
	}
	return methods, ""
}

func (r *Route) checkAccess(c *Checker) string {
	switch r.Access {
	case Scoped:
		if len(r.Scopes) == 0 {
			return "has no scope; accepted: one or more such as posts:read, or access authenticated or public"
		}
	case Denied:
		if len(r.Scopes) > 0 || r.Cost > 1 || r.WebSocket {
			return "is denied, and has scopes, a cost or websocket; accepted: a denied route without them"
		}
	case Authenticated, Public:
		if len(r.Scopes) > 0 {
			return "is " + string(r.Access) + " and has scopes; accepted: one or the other"
		}
	default:
		return "access " + quote(string(r.Access)) + " is not known; accepted: authenticated, public or deny, or none for keys that hold the scopes"
	}
	return c.scopes(r.Scopes)
}

// quote shows what was written, escaped and shortened.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
