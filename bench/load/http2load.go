package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"
)

// http2Session sends requests of a list, each as a stream of a connection that
// several sessions could share, but do not: so do most clients of an API.
type http2Session struct {
	ctx       context.Context // ends soon after the load does
	cancel    func()
	transport *http.Transport
	addr      string
	list      []*http.Request // shared
	i, step   int
	status    int
}

// http2Load is HTTP/2 over TLS, with one connection for each session.
func http2Load(list [][]byte, status int, secure *tls.Config) (load, error) {
	parsed, err := parseAll(list)
	if err != nil {
		return nil, err
	}
	return func(addr string, n, several int, until time.Time) (session, error) {
		var protocols http.Protocols
		protocols.SetHTTP2(true)
		ctx, cancel := context.WithDeadline(context.Background(), until.Add(patience))
		transport := &http.Transport{TLSClientConfig: secure.Clone(), Protocols: &protocols, DisableCompression: true}
		return &http2Session{ctx, cancel, transport, addr, parsed, n, several, status}, nil
	}, nil
}

// parseAll makes requests of a client of what is sent as HTTP/1.1.
func parseAll(list [][]byte) ([]*http.Request, error) {
	parsed := make([]*http.Request, len(list))
	for i, text := range list {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		r.RequestURI, r.URL.Scheme, r.Body = "", "https", nil
		r.Header.Del("Connection") // which HTTP/2 does not have (RFC 9113 §8.2.2)
		parsed[i] = r
	}
	return parsed, nil
}

func (s *http2Session) next() (int, error) {
	r := s.list[s.i%len(s.list)].WithContext(s.ctx)
	s.i += s.step
	to := *r.URL
	to.Host, r.URL = s.addr, &to
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != s.status {
		return 0, statusError{resp.StatusCode, s.status}
	}
	return 1, nil
}

func (s *http2Session) Close() error {
	s.cancel()
	s.transport.CloseIdleConnections()
	return nil
}
