package plugin_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"os"
	"strings"
	"testing"
)

// client is a certificate for a client with a name and DNS names.
func (a *authority) client(t *testing.T, name string, dns ...string) *tls.Certificate {
	t.Helper()
	cert, key := a.issue(t, name, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: dns, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func TestRecipeClientCertificates(t *testing.T) {
	t.Parallel()
	customers, others := newAuthority(t), newAuthority(t)
	ca, err := os.ReadFile(customers.file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	c := startConsole(t, recipe(t, "By client certificates", 0), "", map[string]string{"customers-ca.pem": string(ca)})
	acme, globex := c.browser(t, customers.client(t, "ada", "acme", "globex")), c.browser(t, customers.client(t, "grace", "globex"))
	made := c.makes(t, acme, "", `{"name":"n","scopes":["posts:read"]}`)
	if made.Key.Workspace != "acme" || made.Key.CreatedBy != "CN=ada" {
		t.Errorf("made is %+v", made)
	}
	if resp := c.by(t, globex, "GET", "/api/keys", ""); resp.Status != http.StatusOK || strings.Contains(resp.Body, made.Key.ID) {
		t.Errorf("another workspace lists: %d %s", resp.Status, resp.Body)
	}
	for name, dns := range map[string][]string{"no name": nil, "a wildcard": {"*.acme"}} {
		if resp := c.by(t, c.browser(t, customers.client(t, "mallory", dns...)), "GET", "/api/keys", ""); resp.Status != http.StatusForbidden {
			t.Errorf("%s in the certificate: %d %s", name, resp.Status, resp.Body)
		}
	}
	for name, certificate := range map[string]*tls.Certificate{"none": nil, "of another authority": others.client(t, "mallory", "acme")} {
		if resp, err := attempt(t.Context(), c.browser(t, certificate), "GET", c.URL+"/api/keys", "", nil); err == nil {
			t.Errorf("a certificate %s: %d %s", name, resp.Status, resp.Body)
		}
	}
}
