package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

type pipe struct {
	io.Reader
	io.Writer
}

func TestExchange(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nServer: Caddy\r\nContent-Length: 5\r\n\r\nhello"
	tests := map[string]struct {
		answer string
		status int
		err    string
	}{
		"answered":      {ok, 200, ""},
		"no body":       {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nVary: Origin\r\n\r\n", 401, ""},
		"HAProxy's":     {"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", 200, ""},
		"a line to be":  {"HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\nContent-Length: 5\r\n\r\nhello", 200, ""},
		"cut head":      {ok[:30], 0, "EOF"},
		"cut body":      {ok[:len(ok)-1], 0, "EOF"},
		"nothing":       {"", 0, "EOF"},
		"no length":     {"HTTP/1.1 200 OK\r\n\r\n", 0, "how long"},
		"not a length":  {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, "invalid syntax"},
		"not HTTP":      {"SSH-2.0-OpenSSH_9\r\n\r\n", 0, "no answer"},
		"not a status":  {"HTTP/1.1 2x0 OK\r\n\r\n", 0, "invalid syntax"},
		"does not end":  {ok[:len(ok)-10] + "9999\r\n\r\n" + strings.Repeat("x", 9999), 0, "too long"},
		"never a blank": {strings.Repeat("x", 9999), 0, "too long"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, read := range []io.Reader{strings.NewReader(test.answer), iotest.OneByteReader(strings.NewReader(test.answer))} {
				var sent bytes.Buffer
				status, err := exchange(pipe{read, &sent}, []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 1000))
				if sent.String() != "GET / HTTP/1.1\r\n\r\n" {
					t.Errorf("sent %q", sent.String())
				}
				if status != test.status || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("%d, %v; want %d and %q", status, err, test.status, test.err)
				}
			}
		})
	}
	// An answer to nothing would be taken for the next one's.
	if _, err := exchange(pipe{strings.NewReader(ok + "H"), io.Discard}, nil, make([]byte, 1000)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("more than the answer: %v", err)
	}
}
