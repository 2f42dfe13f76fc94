package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answers are the refusals that a gateway is able to give. What it does not refuse
// it passes on, and the backend answers 200.
type answers struct {
	statuses []int // of 401, 403 and 429
	limited  int   // of the keys with a quota, how many it limits; 0: all
}

var (
	passesAll      = answers{}
	keygateAnswers = answers{statuses: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}}
)

// want returns the status of what should be refused.
func (a answers) want(status int) int {
	if slices.Contains(a.statuses, status) {
		return status
	}
	return http.StatusOK
}

func (a answers) String() string {
	list := []string{strconv.Itoa(http.StatusOK)}
	for _, status := range a.statuses {
		list = append(list, strconv.Itoa(status))
	}
	return strings.Join(list, ", ")
}

// check makes sure that a gateway does what is to be measured.
func (g *gateway) check(a answers, r *requests) error {
	limited := r.overLimit
	if a.limited > 0 {
		limited = limited[:a.limited]
	}
	for i, test := range []struct {
		name   string
		list   [][]byte
		status int
	}{
		{"a good key", r.good, http.StatusOK},
		{"no key", [][]byte{r.noKey}, a.want(http.StatusUnauthorized)},
		{"a bad checksum", r.badChecksum, a.want(http.StatusUnauthorized)},
		{"an unknown ID", r.unknown, a.want(http.StatusUnauthorized)},
		{"a wrong scope", r.wrongScope, a.want(http.StatusForbidden)},
		{"a key within its quota", limited, http.StatusOK}, // which this uses up
		{"a key over its quota", limited, a.want(http.StatusTooManyRequests)},
	} {
		if refusal := i > 0; refusal && test.status == http.StatusOK {
			test.list = test.list[:min(len(test.list), 100)] // some tell what it does not do
		}
		if err := eachOnce(g.addr, test.list, test.status); err != nil {
			return fmt.Errorf("%s: %w\n%s", test.name, err, g.said())
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
