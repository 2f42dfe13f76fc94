package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// What is wrong with an engine that cannot be connected to, where that can be told.
var (
	errPlainToTLS = errors.New("it speaks TLS: add tls to the store")
	errTLSToPlain = errors.New("it does not speak TLS: remove tls from the store, or give the port where it does")
	errRESP2      = errors.New("it does not speak RESP3, which is how it tells of changes: Redis 6 or later and Valkey do, unless they are told not to; connect to them directly, not through a proxy")
)

// diagnose says what is wrong with the first address that can be connected to,
// besides the error of connecting as the client does. It is asked once, at a start.
func (c *Conn) diagnose(err error) error {
	for _, address := range c.config.Addresses {
		if found := c.diagnoseAt(address); found != nil {
			return fmt.Errorf("the engine at %s: %w: %w", address, found, err)
		}
	}
	return err
}

func (c *Conn) diagnoseAt(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	dialer := &net.Dialer{Timeout: c.config.Timeout}
	conn, err := connect(ctx, address, dialer, c.config.TLS)
	if err != nil {
		if c.config.TLS != nil && speaksPlain(address, dialer) { // a server without TLS may wait for more
			return errTLSToPlain
		}
		return nil
	}
	defer conn.Close()
	answer, err := ask(conn, c.config.Timeout, "HELLO", "3")
	text := strings.ToUpper(answer)
	switch {
	case err == nil && (strings.HasPrefix(text, "-NOPROTO") || strings.HasPrefix(text, "-ERR UNKNOWN COMMAND")):
		return errRESP2
	case c.config.TLS == nil && (err != nil || !isReply(answer)):
		if speaksTLS(ctx, address, dialer) {
			return errPlainToTLS
		}
	}
	return nil
}

// isReply reports whether a line can be the answer of an engine.
func isReply(line string) bool { return line != "" && strings.Contains("-+*%$:", line[:1]) }

func speaksPlain(address string, dialer *net.Dialer) bool {
	ctx, cancel := context.WithTimeout(context.Background(), dialer.Timeout)
	defer cancel()
	conn, err := connect(ctx, address, dialer, nil)
	if err != nil {
		return false
	}
	defer conn.Close()
	answer, err := ask(conn, dialer.Timeout, "PING")
	return err == nil && isReply(answer)
}

// ask sends a command, and returns the first line of the answer.
func ask(conn net.Conn, patience time.Duration, command ...string) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(command))
	for _, arg := range command {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := conn.Write([]byte(text.String())); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if line == "" && err == nil {
		err = net.ErrClosed
	}
	return line, err
}

// speaksTLS reports whether there is a TLS server, whoever it says that it is.
// Nothing is sent to it.
func speaksTLS(ctx context.Context, address string, dialer *net.Dialer) bool {
	conn, err := connect(ctx, address, dialer, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // no secret goes there
	if err == nil {
		conn.Close()
		return true
	}
	var alert tls.AlertError
	return errors.As(err, &alert)
}
