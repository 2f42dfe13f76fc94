package command

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/internal/jsontree"
)

// asker follows all requests through a server that a proxy asks. To that proxy any
// 2xx means yes, and Caddy answers 200 to requests that no route serves. So each
// request must reach a keygate with authorize, or be refused.
type asker struct {
	passage  *passage
	failing  bool            // in the routes for errors, whose answers have the status of the error
	past     bool            // a request is answered yes by somebody else
	gates    map[string]bool // hosts for which there is a keygate
	answered map[string]bool // hosts for which somebody else answers
}

// findPastAuthorize returns the keygate handlers with authorize that requests can
// miss and be answered yes all the same, one of each server. Of a mapping it has the
// routes with their places.
func findPastAuthorize(tree any) (found []lint.Mapping) {
	jsontree.Members(jsontree.At(tree, "apps", "http", "servers"), func(_ string, server any) {
		gates := slices.DeleteFunc(findHandlers(server), func(handler map[string]any) bool { return !asks(handler) })
		if len(gates) == 0 {
			return
		}
		a := &asker{passage: newPassage(server, nil, ""), gates: make(map[string]bool), answered: make(map[string]bool)}
		a.passage.knowsPaths, a.passage.ends = true, a.ends
		if len(a.passage.routes(jsontree.At(server, "routes"), newStates())) > 0 {
			a.past = true // Caddy itself answers
		}
		a.failing = true
		a.passage.routes(jsontree.At(server, "errors", "routes"), newStates())

		// A client chooses the host of the question, or so it may be. It chooses the
		// path only where the proxy asks with that of the request.
		ofItsPath := slices.ContainsFunc(gates, func(handler map[string]any) bool { return jsontree.Text(handler, "authorize") == "ext_authz" })
		for hosts := range a.answered {
			a.past = a.past || ofItsPath || !a.gates[hosts]
		}
		if a.past {
			found = append(found, lint.Mapping{Routes: placesOf(gates[0])})
		}
	})
	return found
}

func asks(handler any) bool { return jsontree.Text(handler, "authorize") != "" }

// placesOf returns the routes of a handler, as far as they say where they are.
func placesOf(handler any) (routes []access.Route) {
	for _, route := range jsontree.List(handler, "routes") {
		routes = append(routes, access.Route{Source: jsontree.Text(route, "source")})
	}
	return routes
}

// ends reports whether a request ends at a handler, and notes if it may be answered
// yes there.
func (a *asker) ends(handler any) bool {
	hosts := strings.Join(a.passage.hosts, " ")
	yes := func(ends bool) bool {
		a.past = a.past || a.failing
		a.answered[hosts] = true
		return ends
	}
	switch name := jsontree.Text(handler, "handler"); name {
	case "keygate":
		if !asks(handler) {
			return false
		}
		a.gates[hosts] = true
		return true
	case "static_response":
		if !jsontree.IsTrue(handler, "abort") && a.saysYes(jsontree.At(handler, "status_code")) {
			return yes(true)
		}
		return true
	case "error":
		return true
	case "file_server":
		if a.failing {
			return !jsontree.IsTrue(handler, "pass_thru")
		}
		return yes(!jsontree.IsTrue(handler, "pass_thru"))
	case "reverse_proxy":
		if !slices.ContainsFunc(jsontree.List(handler, "handle_response"), takesGood) {
			return yes(true)
		}
		return false
	case "keygate_console", "keygate_revocation", "keygate_leak_reports":
		return yes(false)
	default:
		return slices.Contains(answerers, name) && yes(true)
	}
}

// saysYes reports whether an answer with this status may be a 2xx.
func (a *asker) saysYes(status any) bool {
	code := cmp.Or(strings.TrimSpace(fmt.Sprint(status)), "0")
	if status == nil || code == "0" || code == "{http.error.status_code}" {
		return !a.failing
	}
	n, err := strconv.ParseFloat(code, 64) // JSON has numbers
	return err != nil || n < 300
}

// takesGood reports whether a handle_response of reverse_proxy takes answers that
// are good, as that of forward_auth does, so that the client does not get them.
func takesGood(response any) bool {
	codes, _ := jsontree.At(response, "match", "status_code").([]any)
	return jsontree.At(response, "match") == nil || slices.Contains(codes, any(float64(2)))
}
