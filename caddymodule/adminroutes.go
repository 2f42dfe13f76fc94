package caddymodule

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/socialpatra/keygate/access"
)

// routesResponse is what the running config maps, and what its documents have
// and it does not.
type routesResponse struct {
	Routes []routeInfo       `json:"routes"` // by gateway, then path, then in the order of the config
	Denied []deniedOperation `json:"denied"` // operations of documents that became no route
}

type routeInfo struct {
	Gateway   int        `json:"gateway"` // which keygate handler of the config: 1, 2, …
	Methods   []string   `json:"methods"`
	Path      string     `json:"path"`
	Access    string     `json:"access"` // scoped, authenticated or public
	Scopes    [][]string `json:"scopes"` // all of one of these; empty where none are needed
	Cost      int        `json:"cost"`
	WebSocket bool       `json:"websocket"`
	Source    string     `json:"source"`   // file and line; "" where they are not known
	Imported  bool       `json:"imported"` // from an openapi document

	// Of an imported route: what of the config comes before it, and whether no
	// request is left to it.
	TakenBy    []string `json:"taken_by,omitempty"`
	NotReached bool     `json:"not_reached,omitempty"`
}

type deniedOperation struct {
	Gateway int    `json:"gateway"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Source  string `json:"source"`
	Problem string `json:"problem"`
}

func (a *keyAdmin) routes(*http.Request) (any, int, error) {
	return routesOf(a.gateways), http.StatusOK, nil
}

func routesOf(gateways []gateway) routesResponse {
	resp := routesResponse{Routes: []routeInfo{}, Denied: []deniedOperation{}}
	// Caddy provisions the servers of a config in no order.
	gateways = slices.SortedStableFunc(slices.Values(gateways), func(x, y gateway) int {
		return access.CompareSources(x.source(), y.source())
	})
	for i, g := range gateways {
		number := i + 1
		table := g.policy.Table
		taken := make(map[string][]access.Overlap) // imported routes differ in method or path
		for _, o := range table.Overlaps() {
			taken[o.Imported.String()] = append(taken[o.Imported.String()], o)
		}
		for _, route := range table.Routes() {
			info := newRouteInfo(number, &route)
			if route.Imported {
				info.taken(taken[route.String()])
			}
			resp.Routes = append(resp.Routes, info)
		}
		for _, document := range g.documents {
			for _, op := range document.Operations {
				if op.Problem != nil {
					resp.Denied = append(resp.Denied, deniedOperation{number, op.Method, op.Path, op.Source, op.Problem.Text})
				}
			}
		}
	}
	slices.SortStableFunc(resp.Routes, func(x, y routeInfo) int {
		return cmp.Or(cmp.Compare(x.Gateway, y.Gateway), cmp.Compare(x.Path, y.Path))
	})
	return resp
}

// source returns where the first route of a gateway is from.
func (g *gateway) source() string { return g.policy.Table.Routes()[0].Source }

func newRouteInfo(gateway int, r *access.Route) routeInfo {
	return routeInfo{
		Gateway:   gateway,
		Methods:   r.Methods,
		Path:      r.Pattern,
		Access:    cmp.Or(string(r.Access), "scoped"),
		Scopes:    append([][]string{}, r.Scopes...),
		Cost:      r.Cost,
		WebSocket: r.WebSocket,
		Source:    r.Source,
		Imported:  r.Imported,
	}
}

func (info *routeInfo) taken(by []access.Overlap) {
	for _, o := range by {
		info.TakenBy = append(info.TakenBy, o.Written.Source)
		info.NotReached = info.NotReached || o.Whole
	}
}
