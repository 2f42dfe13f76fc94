package adminapi

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/socialpatra/keygate/access"
)

// RoutesResponse lists what the running config maps, and the operations of its
// documents that it denies.
type RoutesResponse struct {
	Routes []routeInfo       `json:"routes"` // sorted by mapping, then path, then in the order of the config
	Denied []DeniedOperation `json:"denied"` // operations of documents that nobody may call
}

type routeInfo struct {
	Gateway   int        `json:"gateway"` // number of the keygate handler in the config: 1, 2, …
	Methods   []string   `json:"methods"`
	Path      string     `json:"path"`
	Access    string     `json:"access"` // scoped, authenticated, public or deny
	Scopes    [][]string `json:"scopes"` // a key needs all scopes of one of these sets; empty if none are needed
	Cost      int        `json:"cost"`
	WebSocket bool       `json:"websocket"`
	Source    string     `json:"source"`   // file and line; "" if not known
	Imported  bool       `json:"imported"` // from an openapi document

	// Set where the gateway only reports, and where it passes requests of others.
	Mode    string `json:"mode,omitempty"`    // report
	Foreign string `json:"foreign,omitempty"` // pass

	takenBy

	// Set for imported routes: whether the first of TakenBy leaves it no request.
	NotReached bool `json:"not_reached,omitempty"`
}

type DeniedOperation struct {
	Gateway int    `json:"gateway"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Source  string `json:"source"`
	Problem string `json:"problem"`

	takenBy // routes of the config that take some of its requests nevertheless
}

// takenBy says which routes of the config come before an imported one.
type takenBy struct {
	// Where the one is that decides, and one of the others that needs something
	// else than the document says. The rest is only counted.
	TakenBy       []string `json:"taken_by,omitempty"`
	TakenByOthers int      `json:"taken_by_others,omitempty"`
}

func (a *call) routes(*http.Request) (any, int, error) {
	return RoutesOf(a.mappings), http.StatusOK, nil
}

func RoutesOf(mappings []Mapping) RoutesResponse {
	resp := RoutesResponse{Routes: []routeInfo{}, Denied: []DeniedOperation{}}
	mappings = inPlaceOrder(mappings)
	for i, g := range mappings {
		number := i + 1
		table := g.Policy.Table
		taken := make(map[string]access.Overlap)
		for _, o := range table.Overlaps() {
			taken[placeOf(o.Imported)] = o
		}
		for _, route := range table.Routes() {
			if route.Imported && route.Access == access.Denied {
				continue
			}
			info := newRouteInfo(number, &route)
			if g.Policy.Report {
				info.Mode = reportMode
			}
			if g.Policy.Foreign {
				info.Foreign = "pass"
			}
			if route.Imported {
				by := taken[placeOf(&route)]
				info.takenBy, info.NotReached = newTakenBy(&by), by.Whole
			}
			resp.Routes = append(resp.Routes, info)
		}
		for _, document := range g.Documents {
			for _, op := range document.Operations {
				if op.Problem == nil {
					continue
				}
				denied := DeniedOperation{number, op.Method, op.Path, op.Source, op.Problem.Text, takenBy{}}
				if op.Route != nil {
					by := taken[placeOf(op.Route)]
					if by.Whole { // mapped by hand, so that nothing of it is denied
						continue
					}
					denied.takenBy = newTakenBy(&by)
				}
				resp.Denied = append(resp.Denied, denied)
			}
		}
	}
	slices.SortStableFunc(resp.Routes, func(x, y routeInfo) int {
		return cmp.Or(cmp.Compare(x.Gateway, y.Gateway), cmp.Compare(x.Path, y.Path))
	})
	return resp
}

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

// newTakenBy returns the zero value for the zero Overlap.
func newTakenBy(o *access.Overlap) (by takenBy) {
	if o.Written == nil {
		return by
	}
	by.TakenBy, by.TakenByOthers = []string{o.Written.Source}, o.Others
	if o.Unlike != nil {
		by.TakenBy = append(by.TakenBy, o.Unlike.Source)
		by.TakenByOthers--
	}
	return by
}

// placeOf returns a text that tells an imported route from all others.
func placeOf(r *access.Route) string { return r.Source + " " + r.String() }
