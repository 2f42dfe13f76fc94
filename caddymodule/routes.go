package caddymodule

import (
	"github.com/socialpatra/keygate/access"
)

// Route maps requests of the backend to what they need.
type Route struct {
	// The methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, or * for any.
	// HEAD follows GET unless it is mapped itself. Required.
	Methods []string `json:"methods"`

	// The path pattern, case-sensitive, such as /v1/posts/{id}. A segment is a
	// literal or {name}, which is exactly one non-empty segment; a last segment
	// * is one or more. A trailing slash is a different path. Placeholders are
	// refused. Required.
	Path string `json:"path"`

	// Scopes that a key must hold, all of them, such as posts:read: 1–64 of
	// resource:action. Required unless access says otherwise.
	Scopes []string `json:"scopes,omitempty"`

	// Who may call without scopes: authenticated (any valid key) or public (no
	// key). Default: keys that hold the scopes.
	Access string `json:"access,omitempty"`

	// What one request charges to the minute and the day limit of its key,
	// 1–1,000. Default: 1.
	Cost int `json:"cost,omitempty"`

	// Whether a GET may be upgraded to a WebSocket, which is closed when its key
	// ends. Other upgrades are never forwarded. Default: false.
	WebSocket bool `json:"websocket,omitempty"`

	source string // file and line, where known
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
		Scopes:    r.Scopes,
		Cost:      r.Cost,
		WebSocket: r.WebSocket,
		Source:    r.source,
	}
}
