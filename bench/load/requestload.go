package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// statusError is an answer that is not the one that was expected.
type statusError struct{ got, want int }

func (e statusError) Error() string { return fmt.Sprintf("answered %d, want %d", e.got, e.want) }

// requestSession sends requests of a list, every so many of them. All answers must
// have the status.
type requestSession struct {
	net.Conn
	list    [][]byte
	i, step int
	status  int
	buf     []byte
}

// requestLoad is HTTP/1.1, over TLS where there is a configuration of it.
func requestLoad(list [][]byte, status int, secure *tls.Config) load {
	return func(addr string, n, several int, until time.Time) (session, error) {
		conn, err := dial(addr, secure, until)
		if err != nil {
			return nil, err
		}
		return &requestSession{conn, list, n, several, status, make([]byte, 8<<10)}, nil
	}
}

func (s *requestSession) next() (int, error) {
	got, err := exchange(s, s.list[s.i%len(s.list)], s.buf)
	s.i += s.step
	if err == nil && got != s.status {
		err = statusError{got, s.status}
	}
	return 1, err
}

// dial opens a connection that is over soon after until.
func dial(addr string, secure *tls.Config, until time.Time) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		conn = tls.Client(conn, secure)
	}
	if err := conn.SetDeadline(until.Add(patience)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
