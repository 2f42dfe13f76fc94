package leaks

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
)

// httpsPorts are the ports of the sites with TLS of a config, by host; "" is any
// host.
type httpsPorts struct {
	byHost map[string]uint
	usual  []uint // ports that a redirect does not name
}

// httpsPortsOf finds where Caddy's automatic redirects of a config lead to, also
// those that it does not make. The config must be provisioned.
func httpsPortsOf(ctx caddy.Context) httpsPorts {
	p := httpsPorts{byHost: make(map[string]uint), usual: []uint{caddyhttp.DefaultHTTPPort, caddyhttp.DefaultHTTPSPort}}
	val, err := ctx.AppIfConfigured("http")
	if err != nil {
		return p // nothing is served, but in tests
	}
	app := val.(*caddyhttp.App)
	https := uint(caddyhttp.DefaultHTTPSPort)
	for _, port := range []int{app.HTTPPort, app.HTTPSPort} {
		if port > 0 {
			p.usual = append(p.usual, uint(port))
		}
	}
	if app.HTTPSPort > 0 {
		https = uint(app.HTTPSPort)
	}
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		server := app.Servers[name]
		if len(server.TLSConnPolicies) == 0 {
			continue
		}
		for _, text := range server.Listen {
			addr, err := caddy.ParseNetworkAddress(text)
			if err != nil {
				continue // Caddy refuses it
			}
			for _, host := range hostsOf(server.Routes) {
				// Of several ports it is the first, but the usual one comes before all.
				if known, ok := p.byHost[host]; !ok || addr.StartPort == https && known != https {
					p.byHost[host] = addr.StartPort
				}
			}
		}
	}
	return p
}

// hostsOf returns the hosts of a server, or "" if it has none.
func hostsOf(routes caddyhttp.RouteList) (hosts []string) {
	for i := range routes {
		for _, set := range routes[i].MatcherSets {
			for _, matcher := range set {
				if named, ok := matcher.(*caddyhttp.MatchHost); ok {
					for _, host := range *named {
						hosts = append(hosts, caddy.NewReplacer().ReplaceAll(host, ""))
					}
				}
			}
		}
	}
	if len(hosts) == 0 {
		return []string{""}
	}
	return hosts
}

// of returns the port of a host's site, or 0 if there is none. The site of the most
// specific name is it.
func (p *httpsPorts) of(host string) uint {
	longest := ""
	for pattern := range p.byHost {
		if strings.EqualFold(pattern, host) {
			return p.byHost[pattern]
		}
		if certmagic.MatchWildcard(host, pattern) && len(pattern) > len(longest) {
			longest = pattern
		}
	}
	return p.byHost[longest]
}

// redirect answers as Caddy's automatic redirects do, by the same handler.
func (p *httpsPorts) redirect(w http.ResponseWriter, r *http.Request) error {
	to := "https://{http.request.host}"
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	host, _ := repl.GetString("http.request.host")
	if port := p.of(host); port != 0 && !slices.Contains(p.usual, port) {
		to += ":" + strconv.FormatUint(uint64(port), 10)
	}
	return caddyhttp.StaticResponse{
		StatusCode: caddyhttp.WeakString(strconv.Itoa(http.StatusPermanentRedirect)),
		Headers:    http.Header{"Location": {to + "{http.request.uri}"}},
		Close:      true,
	}.ServeHTTP(w, r, nil)
}
