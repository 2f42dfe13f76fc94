// Package behind knows whether anything answers behind a handler of a config.
package behind

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/internal/jsontree"
)

// IsForeign reports whether a handler of a config is a keygate that passes requests
// without a key of its own on.
func IsForeign(handler any) bool {
	return jsontree.Text(handler, "handler") == "keygate" && jsontree.Text(handler, "foreign") == "pass" && jsontree.Text(handler, "authorize") == ""
}

// Check returns an error if the config that is being loaded has a keygate that
// passes requests on to nothing.
func Check(ctx caddy.Context) error {
	if Nothing(provisioned(ctx), IsForeign) {
		return errNothing
	}
	return nil
}

var errNothing = errors.New("foreign pass, but no handler that answers is behind keygate, so that Caddy would answer with 200 and nothing; " +
	"put reverse_proxy, or what else serves the API, behind it")

// provisioned returns the http app of the config that is being loaded, as it is written,
// while that app is being provisioned, and nil at any other time. Caddy does not
// tell its modules, so the field is read where it is.
func provisioned(ctx caddy.Context) (app any) {
	config := reflect.Indirect(reflect.ValueOf(ctx).FieldByName("cfg"))
	if config.Kind() != reflect.Struct {
		return nil
	}
	apps := config.FieldByName("AppsRaw")
	if apps.Kind() != reflect.Map || apps.Type().Key().Kind() != reflect.String {
		return nil
	}
	raw := apps.MapIndex(reflect.ValueOf("http"))
	if !raw.IsValid() || raw.Kind() != reflect.Slice || raw.Type().Elem().Kind() != reflect.Uint8 {
		return nil
	}
	if err := json.Unmarshal(raw.Bytes(), &app); err != nil {
		return nil // Caddy tells it
	}
	return app
}

// Nothing reports whether an http app has a handler that asked accepts, with nothing
// behind it that answers requests. Caddy then answers them with 200 and no body.
// Matchers are not looked into: a handler behind it counts whatever requests it
// matches.
func Nothing(app any, asked func(handler any) bool) bool {
	found := false
	jsontree.Members(jsontree.At(app, "servers"), func(_ string, server any) {
		w := walk{asked: asked, named: jsontree.At(server, "named_routes"), visited: make(map[invocation]bool), answering: make(map[string]bool)}
		w.routes(jsontree.List(server, "routes"), false)
		w.routes(jsontree.List(server, "errors", "routes"), false)
		found = found || w.found
	})
	return found
}

// walk goes through the routes of a server. Routes may invoke each other, so each
// is visited once for each way in which it is invoked.
type walk struct {
	asked func(handler any) bool
	found bool

	named     any // routes that others invoke
	visited   map[invocation]bool
	answering map[string]bool // whether a named route answers; false while that is looked into
}

type invocation struct {
	name string
	next bool // something answers behind it
}

// routes visits a list. next says whether something answers what goes on behind
// it.
func (w *walk) routes(list []any, next bool) {
	for i, route := range list {
		follows := !jsontree.IsTrue(route, "terminal") && w.followed(list[i+1:], jsontree.Text(route, "group"), next)
		handlers := jsontree.List(route, "handle")
		for k, handler := range handlers {
			w.handler(handler, follows || slices.ContainsFunc(handlers[k+1:], w.answers))
		}
	}
}

// followed reports whether one of the routes answers, or else what is behind them.
// Of a group only one route is taken.
func (w *walk) followed(list []any, group string, next bool) bool {
	for _, route := range list {
		if group != "" && jsontree.Text(route, "group") == group {
			continue
		}
		if slices.ContainsFunc(jsontree.List(route, "handle"), w.answers) {
			return true
		}
		if jsontree.IsTrue(route, "terminal") && len(jsontree.List(route, "match")) == 0 {
			return false
		}
	}
	return next
}

func (w *walk) handler(handler any, next bool) {
	if w.asked(handler) && !next {
		w.found = true
	}
	switch jsontree.Text(handler, "handler") {
	case "subroute":
		w.routes(jsontree.List(handler, "routes"), next)
		w.routes(jsontree.List(handler, "errors", "routes"), next)
	case "invoke":
		if i := (invocation{jsontree.Text(handler, "name"), next}); !w.visited[i] {
			w.visited[i] = true
			w.routes([]any{jsontree.At(w.named, i.name)}, next)
		}
	default: // what it does with routes of its own is not known
		w.within(handler)
	}
}

func (w *walk) within(tree any) {
	switch tree := tree.(type) {
	case []any:
		for _, element := range tree {
			w.within(element)
		}
	case map[string]any:
		for name, member := range tree {
			if list, ok := member.([]any); ok && name == "routes" {
				w.routes(list, true)
			} else {
				w.within(member)
			}
		}
	}
}

// passers are handlers of Caddy, and well-known ones, that change a request or its
// answer, and leave the answer to what is behind them.
var passers = []string{
	"authentication", "cache", "copy_response_headers", "encode", "headers", "intercept", "log_append", "map", "push", "rate_limit",
	"request_body", "rewrite", "server_timing", "templates", "timeouts", "tracing", "vars",
}

// answers reports whether a handler answers requests, or may do so.
func (w *walk) answers(handler any) bool {
	switch name := jsontree.Text(handler, "handler"); name {
	case "subroute":
		return w.followed(jsontree.List(handler, "routes"), "", false)
	case "invoke":
		name := jsontree.Text(handler, "name")
		if _, known := w.answering[name]; !known {
			w.answering[name] = false
			w.answering[name] = w.followed([]any{jsontree.At(w.named, name)}, "", false)
		}
		return w.answering[name]
	case "keygate":
		return jsontree.Text(handler, "authorize") != ""
	default:
		return !slices.Contains(passers, name)
	}
}
