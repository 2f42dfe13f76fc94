package doctor

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/internal/jsontree"
)

// Clear is what becomes of a key that is sent to http:// for a site with keygate.
type Clear int

const (
	Redirected Clear = iota // Caddy redirects it to https, so that nobody notices
	Answered                // a site of the config answers it, and the key stays good
	Watched                 // keygate_plaintext sees it first
)

// ClearHost is a host of the sites with keygate.
type ClearHost struct {
	Host string // "" is any
	Is   Clear
}

// InTheClear returns what becomes of keys that are sent to http:// for the hosts of a
// server with keygate, in a config in JSON form. There is nothing to tell of a server
// without TLS, and of hosts that Caddy redirects nobody for.
func InTheClear(tree, server any) (hosts []ClearHost) {
	c := plainHTTP{tree: tree, port: port(tree, "http_port", 80)}
	if c.isPlain(server) || jsontree.IsTrue(server, "automatic_https", "disable") || jsontree.IsTrue(server, "automatic_https", "disable_redirects") {
		return nil
	}
	for _, host := range keyedHosts(server) {
		if !slices.Contains(jsontree.Texts(server, "automatic_https", "skip"), host) {
			hosts = append(hosts, ClearHost{host, c.of(host, server)})
		}
	}
	return hosts
}

// IsLocal reports whether a host is this machine, an address or a placeholder: no
// name by which clients elsewhere call it.
func IsLocal(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.Contains(host, "{")
}

// keyedHosts returns the hosts of the routes with keygate in them, or "" if they have
// none.
func keyedHosts(server any) []string {
	hosts := keyedHostsOf(jsontree.List(server, "routes"), []string{""})
	if len(hosts) == 0 { // in a named route, or an error route
		hosts = []string{""}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// keyedHostsOf is keyedHosts for routes that are reached at some hosts. Those of a
// route in them are fewer.
func keyedHostsOf(routes []any, outer []string) (hosts []string) {
	for _, route := range routes {
		var names []string
		for _, set := range jsontree.List(route, "match") {
			names = append(names, jsontree.Texts(set, "host")...)
		}
		if len(names) == 0 {
			names = outer
		}
		for _, handler := range jsontree.List(route, "handle") {
			if jsontree.Text(handler, "handler") == "keygate" {
				hosts = append(hosts, names...)
			}
			hosts = append(hosts, keyedHostsOf(jsontree.List(handler, "routes"), names)...)
		}
	}
	return hosts
}

// plainHTTP are the sites of a config on the port for http.
type plainHTTP struct {
	tree any
	port string
}

// isPlain reports whether a server speaks plain HTTP, as Caddy decides it: it has no
// TLS and gets none by itself.
func (c *plainHTTP) isPlain(server any) bool {
	if len(jsontree.List(server, "tls_connection_policies")) > 0 {
		return false
	}
	httpsPort := port(c.tree, "https_port", 443)
	allOn := func(port string) bool {
		return !slices.ContainsFunc(jsontree.Texts(server, "listen"), func(address string) bool { return portOf(address) != port })
	}
	switch {
	case jsontree.IsTrue(server, "automatic_https", "disable"), allOn(c.port):
		return true
	case allOn(httpsPort):
		return false
	default:
		return len(hostsOf(server)) == 0
	}
}

// of finds who takes a request for a host of a server in the clear.
func (c *plainHTTP) of(host string, server any) (is Clear) {
	jsontree.Members(jsontree.At(c.tree, "apps", "http", "servers"), func(_ string, other any) {
		if is != Redirected || !c.listensFor(server, other) {
			return
		}
		for _, route := range jsontree.List(other, "routes") {
			if c.takesAll(route, host) {
				is = what(route)
				return
			}
		}
	})
	return is
}

// listensFor reports whether a server has the port for http at each address at which
// another has its own. At an address that is left out, Caddy redirects by a server of
// its own.
func (c *plainHTTP) listensFor(server, plain any) bool {
	var at []string
	for _, address := range jsontree.Texts(plain, "listen") {
		if portOf(address) == c.port {
			at = append(at, hostPart(address))
		}
	}
	for _, address := range jsontree.Texts(server, "listen") {
		if host := hostPart(address); !slices.ContainsFunc(at, func(other string) bool { return other == "" || host == "" || other == host }) {
			return false
		}
	}
	return len(at) > 0
}

// hostPart returns the host of an address that a server listens on.
func hostPart(address string) string {
	if _, rest, ok := strings.Cut(address, "/"); ok {
		address = rest
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// takesAll reports whether a route takes every request for a host, before Caddy's own
// redirects do. These are put behind the last route with a host, so before those
// without, if there is any host that Caddy has a certificate for.
func (c *plainHTTP) takesAll(route any, host string) bool {
	sets := jsontree.List(route, "match")
	if len(sets) == 0 {
		return !c.managesNames()
	}
	return slices.ContainsFunc(sets, func(set any) bool {
		names := jsontree.Texts(set, "host")
		only, _ := set.(map[string]any)
		return len(only) == 1 && (slices.Contains(names, host) || slices.ContainsFunc(names, func(pattern string) bool { return covers(pattern, host) }))
	})
}

// managesNames reports whether Caddy is sure to get certificates for names of the
// config. With certificates from files it may have all of them already.
func (c *plainHTTP) managesNames() (manages bool) {
	if len(jsontree.Object(c.tree, "apps", "tls", "certificates")) > 0 {
		return false
	}
	jsontree.Members(jsontree.At(c.tree, "apps", "http", "servers"), func(_ string, server any) {
		manages = manages || !c.isPlain(server) && !jsontree.IsTrue(server, "automatic_https", "disable_certificates") && len(hostsOf(server)) > 0
	})
	return manages
}

// what says what a route does with a key.
func what(route any) Clear {
	switch seesFirst(jsontree.List(route, "handle")) {
	case seen:
		return Watched
	case redirects:
		return Redirected
	default:
		return Answered
	}
}

// first is what a request meets first that ends it.
type first int

const (
	nobody    first = iota // it goes on to the next handler
	seen                   // keygate_plaintext
	redirects              // to another address
	another                // anything else, or nobody knows
)

// passes are handlers that let every request go on, with what credentials it has.
var passes = []string{"vars", "map", "tracing", "headers", "request_body", "encode", "log_append", "rewrite", "templates", "intercept"}

// seesFirst follows a request through handlers.
func seesFirst(handlers []any) first {
	for _, handler := range handlers {
		switch name := jsontree.Text(handler, "handler"); {
		case name == "keygate_plaintext":
			return seen
		case name == "static_response" && jsontree.At(handler, "headers", "Location") != nil:
			return redirects
		case name == "subroute":
			if is := seesFirstOf(jsontree.List(handler, "routes")); is != nobody {
				return is
			}
		case !slices.Contains(passes, name):
			return another
		}
	}
	return nobody
}

// seesFirstOf follows a request through routes. Where some requests end before
// keygate_plaintext, it does not see all of them.
func seesFirstOf(routes []any) first {
	for _, route := range routes {
		is := seesFirst(jsontree.List(route, "handle"))
		if is == nobody {
			continue
		}
		if len(jsontree.List(route, "match")) == 0 {
			return is
		}
		if is != seen {
			return is
		}
	}
	return nobody
}
