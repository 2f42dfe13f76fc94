package command

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/textproto"
	"reflect"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/internal/jsontree"
)

// findCaches returns the cache handlers of a config that a request passes before
// or after a keygate handler.
func findCaches(tree any) []lint.Cache {
	apps := jsontree.At(tree, "apps")
	w := cacheWalk{app: jsontree.At(apps, "cache")}
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
	return w.found
}

// cacheWalk follows a request through the routes of a server.
type cacheWalk struct {
	app   any            // settings that all caches share
	named map[string]any // routes of invoke, by name
	depth int            // nesting of named routes, which may invoke each other
	seen  []string       // identity headers of all gateways of a server
	found []lint.Cache
}

// passed is what a request may have passed through.
type passed struct {
	caches   []lint.Cache
	identity []string // identity headers that gateways have set
}

// routes follows routes in order and returns what a request may have passed
// through after them. At most one route of a group is taken, and no route follows
// a terminal one.
func (w *cacheWalk) routes(routes any, now passed, where string) passed {
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
			now.caches = append(slices.Clip(now.caches), behind.caches[len(at.caches):]...)
			now.identity = append(slices.Clip(now.identity), behind.identity[len(at.identity):]...)
		}
	}
	return now
}

func (w *cacheWalk) route(route any, p passed, where string) passed {
	for _, matcher := range jsontree.List(route, "match") {
		if hosts := jsontree.Texts(matcher, "host"); len(hosts) > 0 {
			where = strings.Join(hosts, " ")
		}
	}
	for _, handler := range jsontree.List(route, "handle") {
		p = w.handler(handler, p, where)
	}
	return p
}

func (w *cacheWalk) handler(handler any, p passed, where string) passed {
	switch jsontree.At(handler, "handler") {
	case "keygate":
		prefix := jsontree.Text(handler, "identity_prefix")
		if prefix == "" {
			prefix = "SocialPatra-"
		}
		w.found = append(w.found, p.caches...)
		identity := textproto.CanonicalMIMEHeaderKey(prefix) + "Key-Id"
		p.identity = append(slices.Clip(p.identity), identity)
		w.seen = append(w.seen, identity)
	case "cache":
		c := newCache(handler, w.app)
		c.Where = where
		p.caches = append(slices.Clip(p.caches), c)
		for _, identity := range p.identity {
			c.Behind, c.Identity = true, identity
			w.found = append(w.found, c)
		}
	case "invoke":
		name := jsontree.Text(handler, "name")
		if w.depth++; w.depth < 32 {
			p = w.route(w.named[name], p, where)
		}
		w.depth--
	default:
		for _, routes := range nestedRoutes(handler) {
			p = w.routes(routes, p, where)
		}
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

// cacheSettings are the settings of Souin that matter here, of one handler or of
// all.
type cacheSettings struct {
	Key               cacheKey            `json:"key"`
	Mode              string              `json:"mode"`
	DisableCoalescing bool                `json:"disable_coalescing"`
	CacheKeys         map[string]cacheKey `json:"cache_keys"`
}

type cacheKey struct {
	Headers       []string `json:"headers"`
	Template      string   `json:"template"`
	Hash          bool     `json:"hash"`
	Hide          bool     `json:"hide"`
	DisableVary   bool     `json:"disable_vary"`
	DisableBody   bool     `json:"disable_body"`
	DisableHost   bool     `json:"disable_host"`
	DisableMethod bool     `json:"disable_method"`
	DisableQuery  bool     `json:"disable_query"`
	DisableScheme bool     `json:"disable_scheme"`
}

// newCache reads a cache handler. If it has no key or mode of its own, those of
// the app apply. Coalescing is set by each handler alone.
func newCache(handler, app any) lint.Cache {
	var own struct {
		Configuration struct {
			DefaultCache cacheSettings
			CacheKeys    map[string]cacheKey `json:"cache_keys"`
		}
	}
	var all cacheSettings
	decode(handler, &own)
	decode(app, &all)
	s := own.Configuration.DefaultCache
	if s.Key.isZero() {
		s.Key = all.Key
	}
	keys := []cacheKey{s.Key}
	for _, more := range []map[string]cacheKey{own.Configuration.CacheKeys, all.CacheKeys} {
		for _, pattern := range slices.Sorted(maps.Keys(more)) {
			keys = append(keys, more[pattern])
		}
	}
	c := lint.Cache{Coalesces: !s.DisableCoalescing, Mode: cmp.Or(s.Mode, all.Mode)}
	for _, key := range keys {
		c.IgnoresVary = c.IgnoresVary || key.DisableVary
		c.Keys = append(c.Keys, lint.CacheKey{Headers: key.Headers, Template: key.Template, Hash: key.Hash})
	}
	return c
}

// isZero reports whether Souin treats the key as not configured.
func (k cacheKey) isZero() bool {
	headers := len(k.Headers)
	k.Headers = nil
	return headers == 0 && reflect.ValueOf(k).IsZero()
}

// decode reads what has the expected type. A cache with unexpected settings thus
// looks like one without settings, which is reported.
func decode(tree, v any) {
	if encoded, err := json.Marshal(tree); err == nil {
		_ = json.Unmarshal(encoded, v)
	}
}
