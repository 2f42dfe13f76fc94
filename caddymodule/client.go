package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"
)

// How long the command waits for an answer, and for a connection before that.
const (
	callTimeout = 10 * time.Second
	dialTimeout = 5 * time.Second
)

// maxAnswer is the largest answer that the command reads, in bytes: a page of
// keys whose every setting is as long as it may be.
const maxAnswer = 64 << 20

// client speaks the admin API, to a running Caddy or to a store in this
// process. It connects on the first call.
type client struct {
	target     target
	console    *console
	makesStore bool // with --db, a store that does not exist is made

	link *link // nil before the first call
}

// link is a way to an admin API.
type link struct {
	http   *http.Client
	url    string // what paths are put behind: "http://localhost:2019"
	origin string // header that Caddy checks on TCP; "": none
	place  string // as the user would name it: "localhost:2019"
	close  func() error
}

func (c *client) close() error {
	if c.link == nil {
		return nil
	}
	return c.link.close()
}

// call sends in as JSON, unless it is nil, and reads the answer into out,
// unless that is nil. A refusal of the server is an error with its words.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.link.refusal(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return c.link.failure(method, fmt.Errorf("reading its answer: %w", err))
	}
	return nil
}

func (c *client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	if c.link == nil {
		link, err := c.connect()
		if err != nil {
			return nil, err
		}
		c.link = link
	}
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.link.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.link.origin != "" {
		req.Header.Set("Origin", c.link.origin)
	}
	resp, err := c.link.http.Do(req)
	if err != nil {
		return nil, c.link.failure(method, err)
	}
	return resp, nil
}

// failure explains why no answer came.
func (l *link) failure(method string, err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without method and URL
	}
	if opErr, ok := errors.AsType[*net.OpError](err); ok && opErr.Op == "dial" {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("this user may not speak to Caddy at %s; run the command as the user that Caddy runs as", l.place)
		}
		return fmt.Errorf("no Caddy answers at %s: start it, name it with --address or --config, or name a store that nobody serves with --db FILE", l.place)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		err = fmt.Errorf("no answer came within %s", callTimeout)
	}
	if method != http.MethodGet {
		return fmt.Errorf("speaking to %s: %w; the change may have been made nevertheless", l.place, err)
	}
	return fmt.Errorf("speaking to %s: %w", l.place, err)
}

// refusalError is what the admin API says to a request that it does not do.
type refusalError struct {
	status int
	reason string
}

func (e *refusalError) Error() string { return e.reason }

// refusal reads the error of an answer. Caddy and keygate write JSON; whatever
// else answers tells that keygate is not there.
func (l *link) refusal(resp *http.Response) error {
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&answer); err == nil && answer.Error != "" {
		return &refusalError{resp.StatusCode, answer.Error}
	}
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("the Caddy at %s was built without keygate; build one with: xcaddy build --with github.com/socialpatra/keygate", l.place)
	}
	return fmt.Errorf("what answers at %s is not Caddy's admin API: it says HTTP %d", l.place, resp.StatusCode)
}
