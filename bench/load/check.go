package main

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// check makes sure that a gateway does what is to be measured.
func (s *stage) check(g *gateway, protected bool) error {
	r := s.requests
	want := func(status int) int {
		if protected {
			return status
		}
		return http.StatusOK
	}
	for _, test := range []struct {
		name   string
		list   [][]byte
		status int
	}{
		{"a good key", r.good, http.StatusOK},
		{"no key", [][]byte{r.noKey}, want(http.StatusUnauthorized)},
		{"a bad checksum", r.badChecksum, want(http.StatusUnauthorized)},
		{"an unknown ID", r.unknown, want(http.StatusUnauthorized)},
		{"a wrong scope", r.wrongScope, want(http.StatusForbidden)},
		{"a key within its quota", r.overLimit, http.StatusOK}, // which this uses up
		{"a key over its quota", r.overLimit, want(http.StatusTooManyRequests)},
	} {
		if err := eachOnce(g.addr, test.list, test.status); err != nil {
			return fmt.Errorf("%s: %s: %w", g.dir, test.name, err)
		}
	}
	return nil
}

// eachOnce sends each request once.
func eachOnce(addr string, list [][]byte, status int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	buf := make([]byte, 8<<10)
	for i, request := range list {
		got, err := exchange(conn, request, buf)
		if err != nil {
			return err
		}
		if got != status {
			return fmt.Errorf("request %d was answered %d, want %d", i, got, status)
		}
	}
	return nil
}
