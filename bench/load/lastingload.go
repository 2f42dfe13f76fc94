package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/socialpatra/keygate/bench/internal/websocket"
)

// streamSession asks for one stream of events after the other.
type streamSession struct {
	net.Conn
	in      *bufio.Reader
	list    [][]byte
	i, step int
}

// streamLoad is counted in events.
func streamLoad(list [][]byte) load {
	return func(addr string, n, several int, until time.Time) (session, error) {
		conn, err := dial(addr, nil, until)
		if err != nil {
			return nil, err
		}
		return &streamSession{conn, bufio.NewReader(conn), list, n, several}, nil
	}
}

func (s *streamSession) next() (events int, err error) {
	resp, err := open(s, s.in, s.list[s.i%len(s.list)], http.StatusOK)
	s.i += s.step
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return countEvents(resp.Body)
}

// countEvents counts the empty lines of a stream until its end.
func countEvents(r io.Reader) (events int, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if len(bytes.TrimSuffix(lines.Bytes(), []byte("\r"))) == 0 {
			events++
		}
	}
	if err := lines.Err(); err != nil {
		return events, err
	}
	if events == 0 {
		err = io.ErrUnexpectedEOF
	}
	return events, err
}

// open sends a request and returns the answer, which must have the status.
func open(w io.Writer, r *bufio.Reader, request []byte, status int) (*http.Response, error) {
	if _, err := w.Write(request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		resp.Body.Close()
		return nil, statusError{resp.StatusCode, status}
	}
	return resp, nil
}

// socketKey is that of an opening handshake. Masks and keys are there so that caches
// on the way take nothing for HTTP: between these two they need no randomness.
const socketKey = "dGhlIHNhbXBsZSBub25jZQ=="

// upgrade is what a request has that asks for a WebSocket (RFC 6455 §4.1).
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + socketKey + "\r\n"

// socketSession sends a message and waits for its echo.
type socketSession struct {
	net.Conn
	in       *bufio.Reader
	frame    []byte
	buf      []byte
	expected []byte
}

// socketLoad is counted in messages, each of which passes twice.
func socketLoad(list [][]byte) load {
	message := bytes.Repeat([]byte("m"), 64)
	frame := websocket.AppendText(nil, message, &[4]byte{7, 9, 11, 13})
	return func(addr string, n, _ int, until time.Time) (session, error) {
		conn, err := dial(addr, nil, until)
		if err != nil {
			return nil, err
		}
		s := &socketSession{conn, bufio.NewReader(conn), frame, make([]byte, 4+websocket.MaxPayload), message}
		resp, err := open(conn, s.in, list[n%len(list)], http.StatusSwitchingProtocols) //nolint:bodyclose // it has none
		if err == nil && resp.Header.Get("Sec-WebSocket-Accept") != websocket.Accept(socketKey) {
			err = fmt.Errorf("Sec-WebSocket-Accept is %q", resp.Header.Get("Sec-WebSocket-Accept"))
		}
		if err != nil {
			conn.Close()
			return nil, err
		}
		return s, nil
	}
}

func (s *socketSession) next() (messages int, err error) {
	if _, err := s.Write(s.frame); err != nil {
		return 0, err
	}
	got, err := websocket.ReadText(s.in, s.buf)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(got, s.expected) {
		return 0, fmt.Errorf("the echo is %q", got)
	}
	return 1, nil
}
