//go:build fleet

package redis

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// answers is something in the engine's place that answers each line alike.
func answers(t *testing.T, listener net.Listener, answer string) string {
	t.Helper()
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewScanner(conn); in.Scan(); {
					if strings.HasPrefix(in.Text(), "*") {
						if _, err := conn.Write([]byte(answer)); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func overTLS(t *testing.T) net.Listener {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"engine"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
}

// TestDiagnosed tells what is wrong with an engine that cannot be used.
func TestDiagnosed(t *testing.T) {
	server := redistest.Start(t)
	for name, tt := range map[string]struct {
		address string
		tls     *tls.Config
		want    error
	}{
		"plain to TLS":   {answers(t, overTLS(t), "+OK\r\n"), nil, errPlainToTLS},
		"TLS to plain":   {server.Addr, &tls.Config{ServerName: "engine"}, errTLSToPlain},
		"RESP2 alone":    {answers(t, listen(t), "-ERR unknown command 'HELLO'\r\n"), nil, errRESP2},
		"RESP2 declared": {answers(t, listen(t), "-NOPROTO unsupported protocol version\r\n"), nil, errRESP2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Dial(Config{Addresses: []string{tt.address}, TLS: tt.tls, Timeout: patience / 2})
			if err == nil {
				c.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}
