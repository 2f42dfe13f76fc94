package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// exchange sends a request and reads its answer into buf, which must hold all
// of it. It costs a tenth of net/http's client, which on a machine that is
// shared with the gateway would be most of the load.
func exchange(conn io.ReadWriter, request, buf []byte) (status int, err error) {
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	for n, size := 0, -1; ; {
		m, err := conn.Read(buf[n:])
		n += m
		if size < 0 {
			if end := bytes.Index(buf[:n], []byte("\r\n\r\n")); end >= 0 {
				var length int
				if status, length, err = parseHead(buf[:end+2]); err != nil {
					return 0, err
				}
				size = end + 4 + length
			}
		}
		switch {
		case size >= 0 && n == size:
			return status, nil
		case size >= 0 && n > size:
			return 0, errors.New("more than the answer was sent")
		case n == len(buf):
			return 0, errors.New("the answer is too long")
		case err != nil:
			return 0, err
		}
	}
}

// parseHead takes the status and the length of the body from what is before
// the empty line.
func parseHead(head []byte) (status, length int, err error) {
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("%q is no answer", head)
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, 0, err
	}
	name := []byte("content-length:")
	for line := range bytes.Lines(head) {
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], name) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
			return status, length, err
		}
	}
	return 0, 0, errors.New("the answer does not say how long it is")
}
