//go:build fleet

package plugin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// authority signs certificates, which it writes to files of a folder.
type authority struct {
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{folder: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for ending, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.file(name+ending), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name) }

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
		return fleetStore("127.0.0.1:"+port, "tls {\n"+strings.Join(lines, "\n")+"\n}")
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
