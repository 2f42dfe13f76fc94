package selfservice

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/caddymodule"
)

// apiAddress returns where the keys are sent to, for the examples of the page:
// the site of the running config that has a keygate handler, such as
// https://api.example.com. If several have one, it is the first by name. A site
// without a host name is taken to have that of the request.
func apiAddress(r *http.Request) string {
	active := caddy.ActiveContext()
	if active.Context == nil {
		return ""
	}
	val, err := active.AppIfConfigured("http")
	if err != nil {
		return ""
	}
	var found []string
	for _, server := range val.(*caddyhttp.App).Servers {
		port := portOf(server)
		scheme := "http"
		if len(server.TLSConnPolicies) > 0 {
			scheme = "https"
		}
		for _, host := range keyedHosts(server.Routes, nil) {
			if host == "" {
				host = hostOf(r)
			}
			if port != 0 && port != map[string]uint{"http": 80, "https": 443}[scheme] {
				host = net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
			}
			found = append(found, scheme+"://"+host)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

// portOf returns the first TCP port that a server listens on, or 0.
func portOf(server *caddyhttp.Server) uint {
	for _, text := range server.Listen {
		if addr, err := caddy.ParseNetworkAddress(text); err == nil && strings.HasPrefix(addr.Network, "tcp") {
			return addr.StartPort
		}
	}
	return 0
}

// keyedHosts returns the host names whose routes have a keygate handler that
// passes requests on; "" is any host. Routes inside others have their hosts.
func keyedHosts(routes caddyhttp.RouteList, outer []string) (hosts []string) {
	for i := range routes {
		route := &routes[i]
		names := outer
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				if named, ok := matcher.(*caddyhttp.MatchHost); ok {
					names = plainNames(*named)
				}
			}
		}
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *caddymodule.Handler:
				if h.Authorize != "" {
					continue
				}
				if len(names) == 0 {
					hosts = append(hosts, "")
				}
				hosts = append(hosts, names...)
			case *caddyhttp.Subroute:
				hosts = append(hosts, keyedHosts(h.Routes, names)...)
			}
		}
	}
	return hosts
}

// plainNames leaves out the names that stand for many.
func plainNames(names []string) (plain []string) {
	for _, name := range names {
		if !strings.ContainsAny(name, "*{") {
			plain = append(plain, name)
		}
	}
	return plain
}
