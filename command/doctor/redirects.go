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
	plainSites := plainHTTP{tree: tree, port: port(tree, "http_port", 80)}
	var found lines
	var plain []string
	for _, site := range f.Sites {
		listen := jsontree.Texts(site.Server, "listen")
		if plainSites.isPlain(site.Server) {
			if !slices.ContainsFunc(listen, IsLoopback) {
				plain = append(plain, strings.Join(listen, " "))
			}
			continue
		}
		for _, at := range InTheClear(tree, site.Server) {
			if at.Is != Redirected {
				continue
			}
			name := at.Host
			if name == "" {
				name = strings.Join(listen, " ")
			}
			found.fail("in the config: a site http://"+at.Host+" with keygate_plaintext revoke, or auto_https disable_redirects; then "+f.Config.Reload,
				"http://%s is redirected to https: a key that is sent there has gone in the clear, and nobody notices", name)
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

// IsLoopback reports whether an address that a server listens on is of this machine
// alone.
func IsLoopback(address string) bool {
	_, host, found := strings.Cut(address, "/")
	if !found {
		host = address
	}
	host, _, err := net.SplitHostPort(host)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
