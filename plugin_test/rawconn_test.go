//go:build backends

package plugin_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// rawConn sends bytes as they are. It is kept open for as long as the other
// side does so too.
type rawConn struct {
	addr string
	conn net.Conn
	r    *bufio.Reader
}

// answered is what came back: what was served, where something was, and the
// backend's account of how it read the request.
type answered struct {
	status       int
	served, view string
}

// send writes a request and reads the answer. Where the other side closes the
// connection without a word, that is an answer with status 0.
func (c *rawConn) send(raw, method string) (answered, error) {
	reused := c.conn != nil
	a, err := c.try(raw, method)
	if err != nil && reused {
		// It may have been closed after the last answer.
		a, err = c.try(raw, method)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return answered{}, nil
	}
	return a, err
}

func (c *rawConn) try(raw, method string) (a answered, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.addr); err != nil {
			return a, err
		}
		c.r = bufio.NewReader(c.conn)
	}
	keep := false
	defer func() {
		if !keep {
			c.close()
		}
	}()
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, raw); err != nil {
		return a, err
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	// What is left over answers something that was not asked.
	keep = !resp.Close && c.r.Buffered() == 0
	return answered{resp.StatusCode, resp.Header.Get("X-Served"), string(body)}, nil
}

func (c *rawConn) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
