package command

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/internal/jsontree"
)

// findAround returns what stands around the keygate handlers of a config and may
// mistake what they do: caches that a request passes before or after one, and
// handlers before one that ask for what it says of the key.
func findAround(tree any) ([]lint.Cache, []lint.Early) {
	apps := jsontree.At(tree, "apps")
	w := aroundWalk{app: jsontree.At(apps, "cache")}
	servers := jsontree.Object(apps, "http", "servers")
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		server := servers[name]
		w.named = jsontree.Object(server, "named_routes")
		listen := jsontree.Texts(server, "listen")
		w.seen = nil
		w.routes(jsontree.At(server, "routes"), passed{}, strings.Join(listen, " "))
		// Error routes get the request as any of the other routes left it.
		w.routes(jsontree.At(server, "errors", "routes"), passed{identity: w.seen}, strings.Join(listen, " "))
	}
	return w.caches, w.early
}

// aroundWalk follows a request through the routes of a server.
type aroundWalk struct {
	app    any            // settings that all caches share
	named  map[string]any // routes of invoke, by name
	depth  int            // nesting of named routes, which may invoke each other
	seen   []string       // identity headers of all gateways of a server
	caches []lint.Cache
	early  []lint.Early
}

// passed is what a request may have passed through.
type passed struct {
	caches   []lint.Cache
	early    []lint.Early
	identity []string // identity headers that gateways have set
	mapped   []string // placeholders that a map makes of what gateways say
	named    bool     // an authentication may have said who it is
}

// and adds to p what a request may have passed in a route. before is what it had
// passed in front of the route, and behind what it has passed after it.
func (p passed) and(before, behind *passed) passed {
	p.caches = append(slices.Clip(p.caches), behind.caches[len(before.caches):]...)
	p.early = append(slices.Clip(p.early), behind.early[len(before.early):]...)
	p.identity = append(slices.Clip(p.identity), behind.identity[len(before.identity):]...)
	p.mapped = append(slices.Clip(p.mapped), behind.mapped[len(before.mapped):]...)
	p.named = p.named || behind.named
	return p
}

// routes follows routes in order and returns what a request may have passed
// through after them. At most one route of a group is taken, and no route follows
// a terminal one.
func (w *aroundWalk) routes(routes any, now passed, where string) passed {
	groups := make(map[string]passed)
	for _, route := range jsontree.List(routes) {
		at := now
		if group := jsontree.Text(route, "group"); group != "" {
			if _, again := groups[group]; !again {
				groups[group] = now
			}
			at = groups[group]
		}
		behind := w.route(route, at, where)
		if !jsontree.IsTrue(route, "terminal") {
			now = now.and(&at, &behind)
		}
	}
	return now
}

func (w *aroundWalk) route(route any, p passed, where string) passed {
	for _, matcher := range jsontree.List(route, "match") {
		if hosts := jsontree.Texts(matcher, "host"); len(hosts) > 0 {
			where = strings.Join(hosts, " ")
		}
	}
	p = p.asks(jsontree.At(route, "match"), "a matcher", where)
	for _, handler := range jsontree.List(route, "handle") {
		p = w.handler(handler, p, where)
	}
	return p
}

func (w *aroundWalk) handler(handler any, p passed, where string) passed {
	name := jsontree.Text(handler, "handler")
	switch name {
	case "keygate":
		prefix := jsontree.Text(handler, "identity_prefix")
		if prefix == "" {
			prefix = "SocialPatra-"
		}
		w.caches = append(w.caches, p.caches...)
		w.early = append(w.early, p.early...)
		identity := textproto.CanonicalMIMEHeaderKey(prefix) + "Key-Id"
		p.identity = append(slices.Clip(p.identity), identity)
		w.seen = append(w.seen, identity)
		return p
	case "cache":
		c := newCache(handler, w.app)
		c.Where = where
		p.caches = append(slices.Clip(p.caches), c)
		for _, identity := range p.identity {
			c.Behind, c.Identity = true, identity
			w.caches = append(w.caches, c)
		}
	case "invoke":
		route := w.named[jsontree.Text(handler, "name")]
		if w.depth++; w.depth < 32 {
			p = w.route(route, p, where)
		}
		w.depth--
		return p
	case "map":
		return p.maps(handler)
	case "authentication":
		p.named = true
	}
	p = p.asks(asksAtOnce(name, handler), name, where)
	early := p.early
	for _, routes := range nestedRoutes(handler) {
		p = w.routes(routes, p, where)
	}
	if slices.Contains(lateHandlers, name) {
		p.early = early // its routes run on the way back
	}
	return p
}

// nestedRoutes returns the lists of routes inside a handler. subroute has one,
// and reverse_proxy may have several in handle_response.
func nestedRoutes(v any) (found []any) {
	switch value := v.(type) {
	case []any:
		for _, element := range value {
			found = append(found, nestedRoutes(element)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if name == "routes" {
				found = append(found, value[name])
			} else {
				found = append(found, nestedRoutes(value[name])...)
			}
		}
	}
	return found
}
