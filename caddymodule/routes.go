package caddymodule

import (
	"github.com/socialpatra/keygate/access"
)

// Route maps requests to what they need to pass.
type Route struct {
	// The methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY, or * for
	// any. HEAD follows GET unless it is mapped itself. Required.
	Methods []string `json:"methods"`

	// The path pattern, case-sensitive, such as /v1/posts/{id}. A segment is a
	// literal, {name} for exactly one non-empty segment, or names with literal
	// text before, between or after them, such as {id}:cancel, {id}.csv or
	// {base}...{head}. A last segment * matches one or more segments. A trailing
	// slash makes a different path. Placeholders and segments that begin with a
	// colon are refused. Required.
	Path string `json:"path"`

	// Scopes that a key must hold, all of them, such as posts:read: 1–64 of
	// resource:action. Required unless access says otherwise.
	Scopes []string `json:"scopes,omitempty"`

	// Other sets of scopes: a key that holds all scopes of one of them needs
	// none of the scopes above. Up to 15. Default: none.
	OrScopes [][]string `json:"or_scopes,omitempty"`

	// Who may call without scopes: authenticated (any valid key), public (no
	// key) or deny (nobody, whatever a wider route says). Default: keys that hold
	// the scopes.
	Access string `json:"access,omitempty"`

	// What one request charges to the minute and the day limit of its key,
	// 1–1,000. Default: 1.
	Cost int `json:"cost,omitempty"`

	// Whether a GET may be upgraded to a WebSocket, which is closed when its key
	// ends. Other upgrades are never forwarded. Default: false.
	WebSocket bool `json:"websocket,omitempty"`

	// Where the route was written, such as Caddyfile:12, for messages and for
	// `caddy keygate routes`. The Caddyfile adapter fills it in. Default: the
	// place in this list.
	Source string `json:"source,omitempty"`
}

func accessRoutes(routes []Route) []access.Route {
	out := make([]access.Route, len(routes))
	for i := range routes {
		out[i] = routes[i].accessRoute()
	}
	return out
}

func (r *Route) accessRoute() access.Route {
	return access.Route{
		Methods:   r.Methods,
		Pattern:   r.Path,
		Access:    access.Access(r.Access),
		Scopes:    r.scopes(),
		Cost:      r.Cost,
		WebSocket: r.WebSocket,
		Source:    r.Source,
	}
}

func (r *Route) scopes() access.Scopes {
	if r.Scopes == nil {
		return r.OrScopes // without scopes there is nothing to be an alternative to
	}
	return append(access.AllOf(r.Scopes...), r.OrScopes...)
}
