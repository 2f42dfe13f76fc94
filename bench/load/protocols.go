package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// protocol is a way to speak with a gateway.
type protocol struct {
	name          string
	secure        bool
	load, keyless load // what passes; what does not without a key
}

func (s *stage) protocols(secure *tls.Config) ([]protocol, error) {
	r := s.requests
	without := [][]byte{r.noKey}
	noStream := [][]byte{render(http.MethodGet, streamPath, "", nil)}
	noSocket := [][]byte{renderUpgrade("", nil)}
	h2, err := http2Load(r.good, http.StatusOK, secure)
	if err != nil {
		return nil, err
	}
	keylessH2, err := http2Load(without, http.StatusOK, secure)
	if err != nil {
		return nil, err
	}
	return []protocol{
		{"HTTP/1.1", false, requestLoad(r.good, http.StatusOK, nil), requestLoad(without, http.StatusOK, nil)},
		{"HTTP/1.1 over TLS", true, requestLoad(r.good, http.StatusOK, secure), requestLoad(without, http.StatusOK, secure)},
		{"HTTP/2 over TLS", true, h2, keylessH2},
		{"events of streams", false, streamLoad(r.streams), streamLoad(noStream)},
		{"messages of WebSockets", false, socketLoad(r.sockets), socketLoad(noSocket)},
	}, nil
}

// measureProtocols compares Keygate with stock Caddy in each protocol.
func (s *stage) measureProtocols() error {
	secure, err := writeCertificate(s.path("cert.pem"), s.path("key.pem"))
	if err != nil {
		return err
	}
	all, err := s.protocols(secure)
	if err != nil {
		return err
	}
	binary, err := s.buildReleased()
	if err != nil {
		return err
	}
	pairs := map[bool][]*gateway{}
	for _, overIt := range []bool{false, true} {
		for _, each := range []struct{ binary, config string }{{"stock", bare}, {binary, guarded}, {binary, asDeployed(guarded)}} {
			if overIt {
				each.config = overTLS(each.config)
			}
			g, err := s.start(each.binary, fmt.Sprintf("gateway-%d", len(s.gateways)), each.config)
			if err != nil {
				return err
			}
			pairs[overIt] = append(pairs[overIt], g)
		}
	}
	names := [...]string{"stock Caddy", "Keygate", "Keygate, as deployed"}
	var rows []*row
	for _, p := range all {
		var stock *row
		for i, g := range pairs[p.secure] {
			if err := refuses(g.addr, p.keyless, i > 0); err != nil {
				return fmt.Errorf("%s: %s: %w", p.name, names[i], err)
			}
			r := &row{name: p.name + ": " + names[i], gateway: g, load: p.load, base: stock}
			if i == 0 {
				stock = r
			}
			rows = append(rows, r)
		}
	}
	return s.compare(rows)
}

// refuses checks what comes of a load without a key: 401 with Keygate.
func refuses(addr string, keyless load, keygate bool) error {
	session, err := keyless(addr, 0, 1, time.Now())
	if err == nil {
		defer session.Close()
		_, err = session.next()
	}
	var answered statusError
	switch {
	case !keygate:
		return err
	case err == nil:
		return errors.New("passes without a key")
	case errors.As(err, &answered) && answered.got == http.StatusUnauthorized:
		return nil
	}
	return err
}
