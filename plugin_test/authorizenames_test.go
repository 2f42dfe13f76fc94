package plugin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// checkNames sends every name through a gateway, or a front that asks one, in
// requests with at most so many of them.
func (g *nameGateway) checkNames(t *testing.T, protocols []string, backend *cgiBackend, prefix string, most int, trusted bool) {
	t.Helper()
	fields := claims(prefix)
	g.eachWay(t, protocols, func(t *testing.T, protocol string, keyed bool, r wireRequest) {
		for some := range slices.Chunk(fields, most) {
			r := r
			r.Fields = slices.Concat(r.Fields, some)
			resp, err := g.send(protocol, r)
			if err != nil || resp.Status != http.StatusOK {
				t.Fatalf("answered %d %s, %v", resp.Status, resp.Body, err)
			}
			seen := backend.takeOne(t)
			wantOurs(t, seen.lines, prefix, g.reader, keyed, trusted)
			wantEnvironment(t, seen.env, prefix, g.reader, keyed, trusted)
		}
	})
}

// What a stock Caddy with the page's configuration hands to the backend.
func TestForwardAuthHeaderNames(t *testing.T) {
	t.Parallel()
	endpoint, caddy, _ := authorizationPage(t)
	backend := startCGIBackend(t)
	g := &nameGateway{tls: freePort(t)}
	judge := startCaddy(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}"}))
	g.reader, g.token = judge.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000")
	const options = "{\nauto_https disable_redirects\nskip_install_trust\n}\n"
	g.gateway = startCaddy(t, options+onPorts(t, caddy, map[string]string{
		"http://:8080 {": "http://:{$PORT}, https://" + attackHost + ":{$TLS} {\ntls internal",
		":9100":          portOf(judge.URL), ":9000": portOf(backend.addr),
	}), "TLS="+g.tls)
	awaitCertificate(t, "127.0.0.1:"+g.tls, attackHost)
	g.checkNames(t, allProtocols, backend, "SocialPatra-", 150, false)
}

// The endpoint reads what it is asked from two names, in no other spelling.
func TestAuthorizationEndpointHeaderNames(t *testing.T) {
	t.Parallel()
	endpoint, _, _ := authorizationPage(t)
	for mode, names := range map[string][2]string{
		"forward_auth": {"X-Forwarded-Method", "X-Forwarded-Uri"},
		"auth_request": {"X-Original-Method", "X-Original-URI"},
	} {
		t.Run(mode, func(t *testing.T) {
			g := startCaddy(t, onPorts(t, endpoint, map[string]string{"http://:9100": "http://:{$PORT}", "authorize forward_auth": "authorize " + mode}))
			_, token := g.createKey(t, "--scope", "posts:read", "--ip", "203.0.113.7")
			office := wireField{"X-Forwarded-For", "203.0.113.7"}
			asks := func(method, uri string, more ...wireField) response {
				r := wireRequest{Method: "GET", Target: "/", Fields: []wireField{{"Authorization", "Bearer " + token}}}
				for i, value := range []string{method, uri} {
					if value != "" {
						r.Fields = append(r.Fields, wireField{names[i], value})
					}
				}
				r.Fields = slices.Concat(more, r.Fields, more) // before and after
				resp, err := sendHTTP1("tcp", strings.TrimPrefix(g.URL, "http://"), r)
				if err != nil {
					t.Fatal(err)
				}
				return resp
			}
			for b := range strings.SplitSeq("!#$%&'*+.^_`|~", "") {
				respelled := func(name, value string) wireField { return wireField{strings.ReplaceAll(name, "-", b), value} }
				if resp := asks("GET", "/v1/posts", office, respelled(names[0], "POST"), respelled(names[1], "/v1/status"), respelled("X-Forwarded-For", "198.51.100.1")); resp.Status != 204 {
					t.Errorf("%s: what is allowed was answered %d %s", b, resp.Status, resp.Body)
				}
				denied(t, asks("POST", "/v1/posts", office, respelled(names[0], "GET"), respelled(names[1], "/v1/status")), 403, "insufficient_scope")
				denied(t, asks("GET", "/v1/posts", respelled("X-Forwarded-For", "203.0.113.7")), 403, "ip_not_allowed")
				denied(t, asks("", "/v1/posts", office, respelled(names[0], "GET")), 400, "malformed_request")
				denied(t, asks("GET", "", office, respelled(names[1], "/v1/posts")), 400, "malformed_request")
				denied(t, asks("GET", "/v1/posts", respelled("X-Real-IP", "203.0.113.7"), wireField{"X-Real-IP", "203.0.113.7"}, wireField{"Forwarded", "for=203.0.113.7"}), 403, "ip_not_allowed")
			}
		})
	}
}
