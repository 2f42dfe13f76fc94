//go:build fleet

package plugin_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// An engine that asks for client certificates serves those who have one, and is
// served only where its own is right.
func TestFleetTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	ca.issue(t, "server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "redis"}, DNSNames: []string{"redis.internal"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	ca.issue(t, "client", &x509.Certificate{
		Subject: pkix.Name{CommonName: "keygate"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	port := freePort(t)
	redistest.Start(t, "--tls-port", port, "--tls-auth-clients", "yes",
		"--tls-cert-file", ca.file("server.pem"), "--tls-key-file", ca.file("server.key"), "--tls-ca-cert-file", ca.file("ca.pem"))
	tls := func(lines ...string) string {
		return fleetStore("127.0.0.1:"+port, "tls {\n"+strings.Join(lines, "\n")+"\n}", patient)
	}
	trusted, cert, key := "ca "+ca.file("ca.pem"), "cert "+ca.file("client.pem"), "key "+ca.file("client.key")

	g := startFleet(t, tls(trusted, cert, key, "server_name redis.internal"))[0]
	g.until(t, g.token(t, "--scope", "posts:read"), http.StatusOK)
	for name, store := range map[string]string{
		"by address":                tls(trusted, cert, key),
		"plain":                     fleetStore("127.0.0.1:" + port),
		"without a certificate":     tls(trusted),
		"of another authority":      tls("ca "+stranger.file("ca.pem"), cert, key),
		"under another name":        tls(trusted, cert, key, "server_name other.internal"),
		"with the certificate gone": tls(trusted, "cert "+ca.file("none.pem"), key),
		"with no certificate in it": tls("ca "+ca.file("client.key"), cert, key),
	} {
		t.Run(name, func(t *testing.T) {
			r := g.reload(t, strings.Replace(siteWith(), bboltStore, store, 1))
			if works := name == "by address"; (r.Code == 0) != works {
				t.Errorf("a reload: status %d: %s", r.Code, r.Stderr)
			}
		})
	}
}
