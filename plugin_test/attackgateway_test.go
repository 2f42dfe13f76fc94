package plugin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// attackSites are the sites of docs/attacks.md, each over TLS too, with the
// server options that make them differ.
var attackSites = map[string]string{
	"": "",
	"trusted": `trusted_proxies static 127.0.0.1/32
		trusted_proxies_strict`,
	"aliases": `expected_underscore_headers SocialPatra_* X_* True_Client_IP
		expected_dot_headers SocialPatra.* X.*`,
}

const attackConfig = `
{
	admin {$CADDY_ADMIN}
	auto_https disable_redirects
	skip_install_trust
	keygate {
		store bbolt ./data/keygate.db
	}
	log {
		level DEBUG
		format filter {
			request>headers>X-Api-Key replace REDACTED
			request>uri regexp "[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}" REDACTED
		}
	}
	SERVERS
}
(gateway) {
	log
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
			POST /v1/search
			OPTIONS /v1/posts
			GET /v1/live websocket
		}
		scope posts:write {
			POST,DELETE /v1/posts
			GET /v1/posts/drafts
			GET /v1/posts/{id}:history
		}
		deny GET /v1/posts/secret
		public GET /v1/status
		header X-API-Key
		auth_failures off
		MORE
	}
	reverse_proxy {$BACKEND}
}
`

// attackGateway is one Caddy with all the sites of the table.
type attackGateway struct {
	*gateway
	backend *backend
	addr    map[string]string // by site and "h1" or "tls"
	names   *strings.Replacer
	ids     map[string]string // of keys, by token
	secrets []string
}

// canary is in Caddy's environment, where a placeholder would find it.
const canary = "expanded-by-the-replacer"

func startAttackGateway(t *testing.T, options ...string) *attackGateway {
	t.Helper()
	a := &attackGateway{backend: startBackend(t), addr: make(map[string]string), ids: make(map[string]string)}
	var servers, sites strings.Builder
	for site, options := range attackSites {
		plain, tls := freePort(t), freePort(t)
		a.addr[site+" h1"], a.addr[site+" tls"] = "127.0.0.1:"+plain, "127.0.0.1:"+tls
		for _, port := range []string{plain, tls} {
			fmt.Fprintf(&servers, "servers :%s {\n%s\n}\n", port, options)
		}
		fmt.Fprintf(&sites, "http://:%s {\nimport gateway\n}\nhttps://%s:%s {\ntls internal\nimport gateway\n}\n", plain, attackHost, tls)
	}
	sockets, err := os.MkdirTemp("", "keygate-attacks-") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	for site, options := range map[string]string{"unix": "", "trusted-unix": "trusted_proxies_unix"} {
		path := filepath.Join(sockets, site)
		a.addr[site+" h1"] = path
		fmt.Fprintf(&servers, "servers unix/%s {\n%s\n}\n", path, options)
		fmt.Fprintf(&sites, "http:// {\nbind unix/%s\nimport gateway\n}\n", path)
	}
	a.gateway = startCaddy(t, strings.NewReplacer("SERVERS", servers.String(), "MORE", strings.Join(options, "\n")).Replace(attackConfig)+sites.String(),
		"BACKEND="+a.backend.Addr, "CANARY="+canary)
	for site := range attackSites { // Caddy is ready before it has the certificate
		awaitCertificate(t, a.addr[site+" tls"], attackHost)
	}
	a.makeKeys(t)
	return a
}

// makeKeys makes what the table names with a dollar sign.
func (a *attackGateway) makeKeys(t testing.TB) {
	t.Helper()
	newKey := func(flags ...string) string {
		k, token := a.createKey(t, append(flags, "--per-minute", "1000000", "--per-day", "1000000")...)
		a.ids[token] = k.ID
		a.secrets = append(a.secrets, secretOf(token))
		return token
	}
	key := newKey("--scope", "posts:read")
	a.names = strings.NewReplacer(
		"$KEY", key,
		"$OTHER", newKey("--scope", "posts:read", "--workspace", "evil"),
		"$SHOP", newKey("--scope", "posts:read", "--origin", "https://shop.example", "--origin", "https://*.widgets.example", "--origin", "https://shop.example:8443"),
		"$OFFICE", newKey("--scope", "posts:read", "--ip", "203.0.113.0/24", "--ip", "2001:db8::/32"),
		"$LOCAL", newKey("--scope", "posts:read", "--ip", "127.0.0.1"),
		"$NO_SUCH", noSuchKeyWithID("000000000000"),
		"$WRONG_SECRET", noSuchKeyWithID(a.ids[key]),
		"$BAD_SUM", flipLast(key),
		"$BRAND", withChecksum("other_"+a.ids[key]+"_"+strings.Repeat("A", 32)),
		"$FLIPPED", strings.Map(flipCase, key),
		"$15KB", strings.Repeat("a", 15<<10),
	)
}

func flipCase(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z':
		return r - 'a' + 'A'
	case 'A' <= r && r <= 'Z':
		return r - 'A' + 'a'
	}
	return r
}

func (a *attackGateway) send(protocol, site string, r wireRequest) (response, error) {
	switch {
	case strings.HasSuffix(site, "unix"):
		return sendHTTP1("unix", a.addr[site+" h1"], r)
	case protocol == "h1":
		return sendHTTP1("tcp", a.addr[site+" h1"], r)
	case protocol == "h2":
		return sendHTTP2(a.addr[site+" tls"], r)
	default:
		return sendHTTP3(a.addr[site+" tls"], r)
	}
}
