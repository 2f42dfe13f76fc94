package adminapi

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// OpenedRoute is a route of the running config that a key may call.
type OpenedRoute struct {
	access.Route
	mappings []Mapping
	at       int // its place in mappings
}

// Opened returns the routes that a key may call. It leaves out public routes, which
// need no key, and routes that cost more than the limits of the key or its workspace
// can ever hold. Whoever asks must be allowed to see the key.
func (s *Server) Opened(k *apikey.Record) (list []OpenedRoute) {
	held := apikey.NewScopeSet(k.Scopes)
	caps := CapsOf(s.store, &apikey.Grant{Workspace: k.Workspace}, s.workspaceLimits)
	workspace := caps.WorkspaceLimits.Limits()
	for at := range s.mappings {
		for _, route := range s.mappings[at].Policy.Table.Routes() {
			needsKey := route.Access == access.Scoped || route.Access == access.Authenticated
			tooMuch := ratelimit.Never(k.Limits, route.Cost) || ratelimit.Never(workspace, route.Cost)
			if needsKey && route.Scopes.HeldBy(held) && !tooMuch {
				list = append(list, OpenedRoute{route, s.mappings, at})
			}
		}
	}
	return list
}

// Takes reports whether a request is decided as one for this route: no other route of
// the first handler that has the path is more specific.
func (o *OpenedRoute) Takes(method, path string) bool {
	if access.CheckPath(path) != "" {
		return false
	}
	for at := range o.mappings {
		if route := o.mappings[at].Policy.Table.Match(method, path); route != nil {
			return at == o.at && route.Imported == o.Imported && route.String() == o.String()
		}
	}
	return false
}
