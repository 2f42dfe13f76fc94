package doctor

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/internal/jsontree"
)

// checkRedirects asks whether a key sent to http:// is answered as if nothing had
// happened. Caddy redirects such a request to https by itself. By then the key has
// gone in the clear, and the client, which follows, never learns of it.
func checkRedirects(f *Facts) lines {
	tree := f.tree()
	httpPort := port(tree, "http_port", 80)
	var found lines
	var plain []string
	for _, site := range f.Sites {
		listen := jsontree.Texts(site.Server, "listen")
		switch {
		case f.isPlain(site):
			if !slices.ContainsFunc(listen, isLoopback) {
				plain = append(plain, strings.Join(listen, " "))
			}
		case jsontree.IsTrue(site.Server, "automatic_https", "disable"), jsontree.IsTrue(site.Server, "automatic_https", "disable_redirects"):
		default:
			hosts := hostsOf(site.Server)
			if len(hosts) == 0 {
				hosts = []string{""}
			}
			for _, host := range hosts {
				if slices.Contains(jsontree.Texts(site.Server, "automatic_https", "skip"), host) || f.answersPlain(host, httpPort) {
					continue
				}
				name := host
				if name == "" {
					name = strings.Join(listen, " ")
				}
				found.fail("in the config: auto_https disable_redirects, or a site http://"+host+" that answers 403; then "+f.Config.Reload,
					"http://%s is redirected to https: a key that is sent there has gone in the clear, and nobody notices", name)
			}
		}
	}
	switch {
	case len(found) > 0:
		return found
	case len(plain) > 0:
		return skipped("see that the proxy in front answers http:// with an error, not with a redirect", "%s speaks plain HTTP, so TLS ends before the gateway", strings.Join(plain, ", "))
	default:
		return ok("no site with keys is redirected from http://")
	}
}

func port(tree any, name string, usual int) string {
	if n, ok := jsontree.At(tree, "apps", "http", name).(float64); ok && n > 0 {
		usual = int(n)
	}
	return strconv.Itoa(usual)
}

// isPlain reports whether a server speaks plain HTTP, as Caddy decides it: it has
// no TLS and gets none by itself.
func (f *Facts) isPlain(site Site) bool {
	if len(jsontree.List(site.Server, "tls_connection_policies")) > 0 {
		return false
	}
	httpPort, httpsPort := port(f.tree(), "http_port", 80), port(f.tree(), "https_port", 443)
	allOn := func(port string) bool {
		return !slices.ContainsFunc(jsontree.Texts(site.Server, "listen"), func(address string) bool { return portOf(address) != port })
	}
	switch {
	case jsontree.IsTrue(site.Server, "automatic_https", "disable"), allOn(httpPort):
		return true
	case allOn(httpsPort):
		return false
	default:
		return len(hostsOf(site.Server)) == 0
	}
}

// answersPlain reports whether a site of the config takes requests for a host over
// plain HTTP. It then comes before Caddy's own redirect.
func (f *Facts) answersPlain(host, httpPort string) bool {
	found := false
	jsontree.Members(jsontree.At(f.tree(), "apps", "http", "servers"), func(_ string, server any) {
		if !slices.ContainsFunc(jsontree.Texts(server, "listen"), func(address string) bool { return portOf(address) == httpPort }) {
			return
		}
		for _, route := range jsontree.List(server, "routes") {
			sets := jsontree.List(route, "match")
			if len(sets) == 0 {
				found = true
			}
			for _, set := range sets {
				names := jsontree.Texts(set, "host")
				only, _ := set.(map[string]any)
				found = found || len(only) == 1 && (slices.Contains(names, host) || slices.ContainsFunc(names, func(pattern string) bool { return covers(pattern, host) }))
			}
		}
	})
	return found
}

// covers reports whether a host with a * in front is of a pattern.
func covers(pattern, host string) bool {
	rest, ok := strings.CutPrefix(pattern, "*.")
	_, domain, found := strings.Cut(host, ".")
	return ok && found && domain == rest
}

// hostsOf returns the names that the routes of a server match.
func hostsOf(server any) (hosts []string) {
	for _, route := range jsontree.List(server, "routes") {
		for _, set := range jsontree.List(route, "match") {
			hosts = append(hosts, jsontree.Texts(set, "host")...)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func portOf(address string) string {
	return address[strings.LastIndexByte(address, ':')+1:]
}

func isLoopback(address string) bool {
	_, host, found := strings.Cut(address, "/")
	if !found {
		host = address
	}
	host, _, err := net.SplitHostPort(host)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
