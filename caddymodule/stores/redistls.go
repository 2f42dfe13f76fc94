package stores

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// loadTLS reads the files of the TLS settings.
func (s *Redis) loadTLS() error {
	if s.TLS == nil {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName}
	if s.TLS.CA != "" {
		text, err := os.ReadFile(s.TLS.CA)
		if err != nil {
			return fmt.Errorf("ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("ca: %s has no certificate in PEM", s.TLS.CA)
		}
	}
	if s.TLS.Cert != "" {
		cert, err := tls.LoadX509KeyPair(s.TLS.Cert, s.TLS.Key)
		if err != nil {
			return fmt.Errorf("cert: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	s.config.TLS = config
	return nil
}
